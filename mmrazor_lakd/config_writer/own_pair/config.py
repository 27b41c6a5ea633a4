"""Write the config of a distillation over the user's own config."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from ...checkpoints.loading import load_network, read_checkpoint
from ...errors import SettingError
from ..place import relative_path
from ..source_code import Code, format_comment, format_setting
from .check import check_builds
from .distiller import OwnDistiller, make_distiller
from .image_size import Size, find_image_size, shrink
from .networks import OwnNetwork, read_own
from .written_networks import write_networks

CHECKPOINT = '--teacher-checkpoint'


def own_config_text(
    configs: Path,
    method: str,
    student: str,
    teacher: str,
    checkpoint: str,
    folder: Path,
    num_modules: Optional[int] = None,
    cuts: Sequence[str] = (),
    strong_teacher: bool = False,
    input_size: Optional[Size] = None,
) -> str:
    """Return the text of a config that distils one network of the user's.

    Args:
        configs (Path): The folder of configs of this project.
        method (str): The method.
        student (str): Path of the student's config, or ``package::path``.
        teacher (str): The same of the teacher.
        checkpoint (str): The teacher's checkpoint.
        folder (Path): The folder of the config.
        num_modules (int, optional): Number of LAKD's local modules. Defaults
            to None: one cut.
        cuts (Sequence[str]): LAKD's cuts instead, ``STUDENT=TEACHER``.
        strong_teacher (bool): Whether the teacher is clearly better than the
            student alone. Defaults to False.
        input_size (tuple[int, int], optional): Height and width of the
            training images. Defaults to what the student's config says.

    Raises:
        SettingError: If a config can't be read, the checkpoint is not that of
            the teacher, the networks don't suit each other, or the method
            can't be used with them.
    """
    own = read_own(student, 'student')
    other = read_own(teacher, 'teacher', own.scope)
    found = read_checkpoint(checkpoint, CHECKPOINT)
    weights = found['state_dict']
    load_network(other.model, weights, checkpoint, CHECKPOINT, 'teacher')
    size = input_size or find_image_size(own.cfg, own.scope, student)
    if own.dense_kind:
        size = shrink(size)
    made = make_distiller(
        configs,
        method,
        replace(own, input_size=size),
        replace(other, input_size=size),
        num_modules,
        cuts,
        strong_teacher,
    )
    _check_classes(made, found)
    text = _text(method, made, checkpoint, folder)
    check_builds(text, folder)
    return text


def _check_classes(made: OwnDistiller, checkpoint: Dict[str, Any]) -> None:
    """Raise if logits are compared whose classes stand in another order.

    Args:
        made (OwnDistiller): The distiller and the networks.
        checkpoint (dict): The teacher's.

    Raises:
        SettingError: If so, naming the first that differs.
    """
    recorders = made.config.get('teacher_recorders') or {}
    sources = [recorder.get('source') for recorder in recorders.values()]
    if made.teacher.logits not in sources:
        return
    own = made.student.class_names({})
    other = made.teacher.class_names(checkpoint)
    if own == other or sorted(own) != sorted(other):
        return  # the same, unknown, or by other names
    place = [a == b for a, b in zip(own, other)].index(False)
    raise SettingError(
        f'The classes of the teacher stand in another order than those of the '
        f'student, and their logits are compared: class {place} is '
        f"'{own[place]}' of '{made.student.source}' and '{other[place]}' of "
        f"'{made.teacher.source}'; give the student's data the teacher's "
        f'order (metainfo.classes), or write --method at, which compares maps.'
    )


def _text(
    method: str, made: OwnDistiller, checkpoint: str, folder: Path
) -> str:
    """Put the parts of a config together."""
    student, teacher = made.student, made.teacher
    base = student.source
    if '::' not in base:
        base = relative_path(base, folder)
    lines = format_comment(
        f'{method.upper()}: the student of {Path(student.source).name} learns '
        f'from the teacher of {Path(teacher.source).name}.'
    )
    lines += [format_setting('_base_', base), '', _imports(student)]
    if made.hooks:
        hooks = [Code(f"dict(type='{name}')") for name in made.hooks]
        if student.cfg.get('custom_hooks'):
            hooks.insert(0, Code('*_base_.custom_hooks'))
        lines += ['', format_setting('custom_hooks', hooks)]
    if made.head_weight != 1.0:
        lines += ['', *_weigh_head(student, method, made.head_weight)]
    model = dict(
        _delete_=True,
        _scope_='mmrazor',
        type='FrozenTeacherDistill',
        **write_networks(student, teacher, folder),
        teacher_ckpt=checkpoint,
        distiller=made.config,
    )
    lines += ['', format_setting('model', model)]
    return '\n'.join(lines) + '\n'


def _imports(student: OwnNetwork) -> str:
    """Write ``custom_imports``, in which a list replaces the base's."""
    own = (student.cfg.get('custom_imports') or {}).get('imports') or []
    if isinstance(own, str):
        own = [own]
    elif own:
        own = [Code('*_base_.custom_imports.imports')]
    imports = dict(imports=[*own, 'mmrazor_lakd'])
    return format_setting('custom_imports', imports)


def _weigh_head(student: OwnNetwork, method: str, weight: float) -> List[str]:
    """Write the weight of the cross-entropy that a method's recipe has."""
    model = student.cfg.model
    module = student.loss_pass.loss_module
    if module is None:
        return format_comment(
            f"The labels weigh 1, and in {method.upper()}'s recipe "
            f"{weight:g}: the student's loss has no weight to write here."
        )
    owner = f'model.{module}'.rsplit('.', 1)[0]
    own = (model.head if owner == 'model.head' else model).get('loss')
    if own:
        weight *= own.get('loss_weight', 1.0)
        change = f'loss.update(loss_weight={weight:g})'
    else:
        loss = dict(type='CrossEntropyLoss', loss_weight=weight)
        change = f'{format_setting("loss", loss).replace(" = ", "=", 1)}'
        change = f'update({change})'
    return [
        *format_comment(f"The cross-entropy's weight in {method.upper()}."),
        f'_base_.{owner}.{change}',
    ]
