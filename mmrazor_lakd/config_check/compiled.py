"""Find a compilation of the training step, which recorders would break up."""

from typing import Dict

from ..errors import SettingError
from .kinds import type_name

REFUSAL = (
    'compile=... compiles the whole training step, which recorders, '
    'boundaries and the fusion of the teacher break into dozens of parts (the '
    'first step takes minutes, on two CPU cores more than nine); leave '
    'compile out of the config.'
)


def check_compile(cfg: Dict) -> None:
    """Raise if MMEngine would compile the step of a distillation.

    With several processes it compiles the wrapper's, which the algorithm
    can't see.

    Args:
        cfg (dict): A config.

    Raises:
        SettingError: If it would.
    """
    model = type_name((cfg.get('model') or {}).get('type'))
    is_compiled = cfg.get('compile') not in (None, False)
    if is_compiled and model == 'FrozenTeacherDistill':
        raise SettingError(REFUSAL)
