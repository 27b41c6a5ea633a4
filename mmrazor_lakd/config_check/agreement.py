"""Find a metric of agreement with a teacher that predicts nothing."""

from typing import Dict

from ..errors import SettingError
from .kinds import find_parts, type_name


def check_agreement(cfg: Dict) -> None:
    """Raise if ``TeacherAgreement`` would find no scores of a teacher.

    In the first validation it would raise, too, an epoch later.

    Args:
        cfg (dict): A config.

    Raises:
        SettingError: If the model doesn't predict with its teacher.
    """
    if (cfg.get('model') or {}).get('predict_teacher'):
        return
    for section in ('val_evaluator', 'test_evaluator'):
        value = cfg.get(section)
        if isinstance(value, dict) and 'metrics' in value:
            value = value['metrics']  # of an evaluator with a type of its own
        for part in find_parts(section, value, 'metric', 'mmengine'):
            if type_name(part.type) == 'TeacherAgreement':
                raise SettingError(
                    f"{part.path}: TeacherAgreement needs the teacher's "
                    f'scores; write model.predict_teacher=True, or leave it '
                    f'out of {section}.'
                )
