"""Fit a method's distiller to networks of the user's."""

from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple

from .dense import make_cwd, make_pkd
from .lakd import make_lakd
from .methods import (
    COMPARE_LOGITS,
    LAST_MAPS,
    STAGED,
    check_classifiers,
    check_logits,
    check_method,
    read_method,
)
from .networks import OwnNetwork
from .recorders import (
    fit_sources,
    note_size,
    over_blocks,
    set_samples,
    with_stages,
)


class OwnDistiller(NamedTuple):
    """A distiller for two networks of the user's.

    Attributes:
        config (dict): Its config, with comments.
        student (OwnNetwork): The student, as the distiller needs it.
        teacher (OwnNetwork): The teacher, as the distiller needs it.
        head_weight (float): Weight of the cross-entropy.
        hooks (tuple[str]): Hooks that the method needs.
    """

    config: Dict[str, Any]
    student: OwnNetwork
    teacher: OwnNetwork
    head_weight: float = 1.0
    hooks: Tuple[str, ...] = ()


def make_distiller(
    configs: Path,
    method: str,
    student: OwnNetwork,
    teacher: OwnNetwork,
    num_modules: Optional[int] = None,
    cuts: Sequence[str] = (),
    strong_teacher: bool = False,
) -> OwnDistiller:
    """Fit a method's distiller to two networks.

    Args:
        configs (Path): The folder of configs.
        method (str): One of :data:`~.methods.METHODS`.
        student (OwnNetwork): The student.
        teacher (OwnNetwork): The teacher.
        num_modules (int, optional): Number of LAKD's local modules.
        cuts (Sequence[str]): LAKD's cuts, ``STUDENT=TEACHER``.
        strong_teacher (bool): Whether the teacher is clearly better than the
            student alone.

    Raises:
        SettingError: If the method can't be used with these networks.
    """
    check_method(method, student, teacher)
    if method == 'lakd':
        return OwnDistiller(
            *make_lakd(
                configs, student, teacher, num_modules, cuts, strong_teacher
            )
        )
    if method == 'cwd':
        return OwnDistiller(make_cwd(student, teacher), student, teacher)
    if method == 'pkd':
        return OwnDistiller(make_pkd(student, teacher), student, teacher)
    if method in COMPARE_LOGITS:
        check_logits(method, student, teacher)
    if method in LAST_MAPS:
        check_classifiers(method, student, teacher)
    config, head_weight = read_method(configs, method, student)
    hooks: Tuple[str, ...] = ()
    if method == 'crd':
        set_samples(config, student)
        hooks = ('SampleLabelsHook',)
    if method in STAGED:
        student, teacher = with_stages(method, student, teacher)
    elif config.get('stages') is not None:
        config = over_blocks(config, student, teacher)
    config = fit_sources(config, student, teacher)
    if config['type'] == 'FeatureDistiller':
        kind = config.pop('type')
        config = dict(type=kind, input_size=note_size(student), **config)
    return OwnDistiller(config, student, teacher, head_weight, hooks)
