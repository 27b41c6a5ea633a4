"""Write the config of a distillation over the user's own config."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from mmengine.config import Config

from ...algorithms.model_configs import IMAGE_KEYS
from ...checkpoints.loading import load_network, read_state_dict
from ...errors import SettingError
from ..source_code import Code, Noted, format_comment, format_setting
from .distiller import OwnDistiller, make_distiller
from .image_size import Size, find_image_size, shrink
from .networks import DETECTOR, SEGMENTOR, OwnNetwork, read_own

BASE = Code()  # what a dict(_base_.model, ...) begins with
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
    networks = [read_own(student, 'student'), read_own(teacher, 'teacher')]
    state_dict = read_state_dict(checkpoint, CHECKPOINT)
    load_network(
        networks[1].model, state_dict, checkpoint, CHECKPOINT, 'teacher'
    )
    size = input_size or find_image_size(
        networks[0].cfg, networks[0].scope, student
    )
    if networks[0].kind in (SEGMENTOR, DETECTOR):
        size = shrink(size)
    pair = [replace(network, input_size=size) for network in networks]
    made = make_distiller(
        configs, method, *pair, num_modules, cuts, strong_teacher
    )
    return _text(method, made, checkpoint, folder)


def _text(
    method: str, made: OwnDistiller, checkpoint: str, folder: Path
) -> str:
    """Put the parts of a config together."""
    student, teacher = made.student, made.teacher
    base = student.source
    if '::' not in base:
        base = _relative(base, folder)
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
        **_networks(student, teacher, folder),
        teacher_ckpt=checkpoint,
        distiller=made.config,
    )
    lines += ['', format_setting('model', model)]
    return '\n'.join(lines) + '\n'


def _relative(path: str, folder: Path) -> str:
    """Return a path relative to a folder, as in ``_base_``."""
    # Resolve symbolic links, as the file system does before `..`.
    relative = os.path.relpath(Path(path).resolve(), folder.resolve())
    relative = Path(relative).as_posix()
    return relative if relative.startswith('.') else f'./{relative}'


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
    own = student.cfg.model.head.get('loss')
    head, key, change = '_base_.model.head', 'loss.', ''
    if own:
        weight *= own.get('loss_weight', 1.0)
    else:
        key, change = '', "type='CrossEntropyLoss', "
    change = f'{change}loss_weight={weight:g}'
    if not own:
        change = f'loss=dict({change})'
    return [
        *format_comment(f"The cross-entropy's weight in {method.upper()}."),
        f'{head}.{key}update({change})'.replace('loss..', 'loss.'),
    ]


def _networks(
    student: OwnNetwork, teacher: OwnNetwork, folder: Path
) -> Dict[str, Any]:
    """Write the two networks and the preprocessor of their images."""
    model: Dict[str, Any] = {}
    own_cfg = student.cfg.model
    scope = dict(_scope_=student.scope) if student.scope else {}
    architecture: Dict[str, Any] = {BASE: Code('_base_.model')}
    if not own_cfg.get('_scope_'):
        architecture.update(scope)
    images = _other_images(student, teacher)
    common = student.cfg.get('data_preprocessor') or {}
    own = own_cfg.get('data_preprocessor')
    # MMEngine would build the one at the top in MMRazor's scope.
    if images or common.get('type') or (common and own):
        place = '_base_.model' if own else '_base_'
        preprocessor: Dict[str, Any] = {
            BASE: Code(f'{place}.data_preprocessor')
        }
        if student.preprocessor.get('type'):
            preprocessor.update(scope)
        model['data_preprocessor'] = preprocessor
        if images:
            preprocessor.update(images)
            note = 'the images that the teacher was trained on'
            model['data_preprocessor'] = Noted(preprocessor, note)
            if own:
                architecture['data_preprocessor'] = None
    path = teacher.source
    if '::' not in path:
        relative = _relative(path, folder)
        path = f'{{{{ fileDirname }}}}/{relative}'.replace('/./', '/')
    taught: Dict[str, Any] = dict(cfg_path=path)
    if teacher.cfg.model.get('data_preprocessor'):
        taught['data_preprocessor'] = None
    if student.backbone:
        backbone = Code('_base_.model.backbone')
        architecture['backbone'] = {BASE: backbone, 'type': student.backbone}
    if teacher.backbone:
        taught['backbone'] = dict(type=teacher.backbone)
    if student.mixes:
        note = 'the student, with its Mixup and CutMix'
        return {
            **model,
            'architecture': Noted(architecture, note),
            'teacher': taught,
        }
    return {**model, 'architecture': architecture, 'teacher': taught}


def _other_images(student: OwnNetwork, teacher: OwnNetwork) -> Dict[str, Any]:
    """Find how the teacher's images differ from the student's.

    Both get the same ones. The teacher is trained, so they are its own.

    Raises:
        SettingError: If they differ, and the student is trained, too.
    """
    own, other = student.preprocessor, teacher.preprocessor
    differing = {
        key: other.get(key)
        for key in IMAGE_KEYS
        if (own.get(key) or None) != (other.get(key) or None)
    }
    if differing and _is_pretrained(student.cfg):
        raise SettingError(
            f"The images of the student '{student.source}', which starts "
            f'from trained weights, differ from those of the teacher in '
            f'{", ".join(differing)} of the data preprocessor, and both get '
            f'the same ones; take a teacher that was trained on such images.'
        )
    defaults = dict(mean=None, std=None)
    return {
        key: defaults.get(key, False) if value is None else value
        for key, value in differing.items()
    }


def _is_pretrained(cfg: Any) -> bool:
    """Check whether any part of a config loads trained weights."""
    if isinstance(cfg, (list, tuple)):
        return any(map(_is_pretrained, cfg))
    if not isinstance(cfg, (dict, Config)):
        return False
    return cfg.get('type') == 'Pretrained' or any(
        bool(value) if key == 'load_from' else _is_pretrained(value)
        for key, value in cfg.items()
    )
