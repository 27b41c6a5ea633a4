"""Write the networks and the images of a distillation."""

import os
from pathlib import Path
from typing import Any, Dict

from mmengine.config import Config

from ...checkpoints.model_configs import IMAGE_KEYS
from ...errors import SettingError
from ..source_code import Code, Noted
from .networks import OwnNetwork

BASE = Code()  # the key of what a dict(_base_.model, ...) begins with


def relative_path(path: str, folder: Path) -> str:
    """Return a path relative to a folder, as in ``_base_``."""
    # Resolve symbolic links, as the file system does before `..`.
    relative = os.path.relpath(Path(path).resolve(), folder.resolve())
    relative = Path(relative).as_posix()
    return relative if relative.startswith('.') else f'./{relative}'


def write_networks(
    student: OwnNetwork, teacher: OwnNetwork, folder: Path
) -> Dict[str, Any]:
    """Write both networks and the preprocessor of their images.

    Args:
        student (OwnNetwork): The student, which is that of the base.
        teacher (OwnNetwork): The teacher.
        folder (Path): The folder of the written config.

    Returns:
        dict: Keys of the algorithm.

    Raises:
        SettingError: If both are trained, on images that differ.
    """
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
        relative = relative_path(path, folder)
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
        note = 'the student, with its Mixup or CutMix'
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
