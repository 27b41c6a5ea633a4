"""Write the networks and the images of a distillation."""

from pathlib import Path
from typing import Any, Dict, Tuple

from mmengine.config import Config

from ...checkpoints.model_configs import IMAGE_KEYS, as_plain
from ...config_check.channels import (
    REVERSALS,
    knows_order,
    network_order,
    packed_normalisation,
)
from ...errors import SettingError
from ..place import relative_path
from ..source_code import Code, Noted
from .networks import OwnNetwork

BASE = Code()  # the key of what a dict(_base_.model, ...) begins with


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
        preprocessor: Dict[str, Any] = {}
        if own or common:
            preprocessor[BASE] = Code(f'{place}.data_preprocessor')
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
        path = relative_path(path, folder)
        if path.startswith('.'):
            path = f'{{{{ fileDirname }}}}/{path}'.replace('/./', '/')
    taught: Dict[str, Any] = dict(cfg_path=path)
    if teacher.borrows_scope:
        taught['_scope_'] = teacher.scope
    if teacher.cfg.model.get('data_preprocessor'):
        taught['data_preprocessor'] = None
    if student.backbone:
        backbone = Code('_base_.model.backbone')
        architecture['backbone'] = {BASE: backbone, 'type': student.backbone}
    if teacher.backbone:
        taught['backbone'] = dict(type=teacher.backbone)
    model['architecture'] = architecture
    if student.mixes:
        note = 'the student, with its Mixup or CutMix'
        model['architecture'] = Noted(architecture, note)
    model['teacher'] = taught
    data = [student.training_data, teacher.training_data]
    name = Path(teacher.source).name
    if _says_no_images(teacher):
        note = (
            f'{name} does not say how its images were normalised: taken to be '
            f"as the student's"
        )
        model['teacher'] = Noted(taught, note)
    elif not all(map(knows_order, data)):
        note = (
            f'the order of the channels is not known of {name} or the '
            f'student: taken to be the same'
        )
        model['teacher'] = Noted(taught, note)
    return model


def _other_images(student: OwnNetwork, teacher: OwnNetwork) -> Dict[str, Any]:
    """Find how the teacher's images differ from the student's.

    Both get the same ones. The teacher is trained, so they are its own.

    Raises:
        SettingError: If they differ, and the student is trained, too.
    """
    own, other = student.preprocessor, teacher.preprocessor
    if _says_no_images(teacher):
        return {}
    differing = {
        key: other.get(key)
        for key in ('mean', 'std')
        if as_plain(own.get(key)) != as_plain(other.get(key))
    }
    data = [student.training_data, teacher.training_data]
    steps = [packed_normalisation(loader) for loader in data]
    if data[1] and steps[0] != steps[1]:
        raise SettingError(
            f"The pipelines of '{student.source}' and '{teacher.source}' "
            f'normalise images differently ({steps[0] or "not at all"} and '
            f'{steps[1] or "not at all"}), and both networks get the same '
            f'ones; move mean and std to the data_preprocessor of each.'
        )
    names = list(differing)
    # What reverses the channels depends on how the data have them.
    orders = _channel_orders(student, teacher)
    if orders[0] != orders[1] and all(map(knows_order, data)):
        names.append(f'the order of channels ({orders[0]}, not {orders[1]})')
        key = _reversal(student)
        differing[key] = not own.get(key)
    if differing and is_pretrained(student.cfg):
        raise SettingError(
            f"The images of the student '{student.source}', which starts "
            f'from trained weights, differ from those of the teacher in '
            f'{", ".join(names)}, and both get the same ones; take a teacher '
            f'that was trained on such images.'
        )
    return differing


def _says_no_images(network: OwnNetwork) -> bool:
    """Check whether a config leaves open what images its network takes.

    That of a model alone does. One with data and without a mean was trained
    on images as they are.
    """
    said = any(key in network.preprocessor for key in IMAGE_KEYS)
    return not said and not network.training_data


def _channel_orders(
    student: OwnNetwork, teacher: OwnNetwork
) -> Tuple[str, str]:
    """Return the orders in which both were, or are to be, trained."""
    own, other = student.training_data, teacher.training_data
    # A config without data is taken to be for the other's.
    return (
        network_order(own or other, student.preprocessor),
        network_order(other or own, teacher.preprocessor),
    )


def _reversal(student: OwnNetwork) -> str:
    """Name the setting of the preprocessor that reverses the channels."""
    own = student.preprocessor
    known = [key for key in REVERSALS if key in own]
    # mmdet's and mmseg's have another name for it than mmpretrain's.
    known.append('bgr_to_rgb' if student.dense_kind else 'to_rgb')
    return next((key for key in known if own.get(key)), known[0])


def is_pretrained(cfg: Any) -> bool:
    """Check whether any part of a config loads trained weights."""
    if isinstance(cfg, (list, tuple)):
        return any(map(is_pretrained, cfg))
    if not isinstance(cfg, (dict, Config)):
        return False
    return cfg.get('type') == 'Pretrained' or any(
        bool(value)
        if key in ('load_from', 'pretrained')
        else is_pretrained(value)
        for key, value in cfg.items()
    )
