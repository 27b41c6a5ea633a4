"""The methods for networks of the user's, and what is said of them."""

from pathlib import Path
from typing import Any, Dict, Tuple

from mmengine.config import Config, ConfigDict
from torch import nn

from ...distillers.class_counts import check_counts
from ...errors import SettingError
from ..choose import DISTILLERS
from ..source_code import Code
from .networks import CLASSIFIER, DETECTOR, SEGMENTOR, OwnNetwork

#: those that take maps before the last ReLU of each stage
STAGED = ('ofd', 'reviewkd')
#: those that compare logits class by class
COMPARE_LOGITS = (
    'kd',
    'dkd',
    'dist',
    'wttm',
    'rld',
    'wkd_l',
    'kd_standardized',
    'dkd_standardized',
    'kd_scales',
    'dkd_scales',
)
#: how the names of those begin that need the index of a class
NEED_LABELS = ('dkd', 'rld', 'wkd_l', 'kd_scales')
#: those that compare the images of a batch with each other
BATCHES = ('rkd', 'sp', 'pkt', 'cc')
#: those that take the maps before pooling, and the weights of a classifier
LAST_MAPS = ('srrl', 'catkd')
#: those that take nothing but maps of blocks
MAPS = ('lakd', 'fitnet', 'at')
#: the same, where the networks are classifiers
MORE_MAPS = ('vid', 'nst', 'wkd_f')
#: the methods for each kind of network; for others, those that take maps
METHODS = {
    CLASSIFIER: (
        *MAPS,
        *MORE_MAPS,
        *COMPARE_LOGITS,
        *BATCHES,
        *LAST_MAPS,
        'crd',
        *STAGED,
    ),
    SEGMENTOR: (*MAPS, 'cwd'),
    DETECTOR: (*MAPS, 'cwd', 'pkd'),
}
# Larger images get the literature's settings for ImageNet, others CIFAR's.
SMALL = 64
IMAGENET = Path('_base_', 'schedules', 'imagenet_100e.py')


def check_method(
    method: str, student: OwnNetwork, teacher: OwnNetwork
) -> None:
    """Raise if a method isn't for these kinds of networks.

    Raises:
        SettingError: If it isn't, listing those that are.
    """
    known = METHODS.get(student.kind, MAPS)
    kinds = f'a {student.kind}'
    if student.kind != teacher.kind:
        known, kinds = MAPS, f'{kinds}, and a {teacher.kind}'
    if method not in known:
        raise SettingError(
            f"--method {method} is not written for '{student.source}', "
            f'{kinds}; choose one of {", ".join(known)} (any other method '
            f'needs networks, images or a head of its own).'
        )


def read_method(
    configs: Path, method: str, student: OwnNetwork
) -> Tuple[Dict[str, Any], float]:
    """Read what the literature says of a method for images of this size.

    Args:
        configs (Path): The folder of configs.
        method (str): A file of its ``_base_/distillers``.
        student (OwnNetwork): Its images decide between the settings for
            ImageNet and those for CIFAR.

    Returns:
        tuple[dict, float]: The distiller, and the weight of the
        cross-entropy.
    """
    base = Config.fromfile(configs / DISTILLERS / f'{method}.py')
    parts = Config(
        dict(
            distiller=base[f'{method}_distiller'],
            architecture=base.get(f'{method}_architecture', {}),
        )
    )
    warmup = '1 / 12'  # the published 20 of 240 epochs
    if min(student.input_size) > SMALL:
        warmup = '1 / 100'  # one of 100
        settings = Config.fromfile(configs / IMAGENET).method_settings
        under = [n for n in base if n.endswith('_distiller')]
        for name in (*under, f'{method}_architecture'):
            changes = settings.get(name)
            if changes:
                part = name.rsplit('_', 1)[1]
                parts.merge_from_dict({part: changes})
    distiller = parts.distiller.to_dict()
    distiller.pop('input_size', None)
    for name, loss in distiller['distill_losses'].items():
        if loss['type'] == 'WarmupLoss':
            distiller['distill_losses'][name] = dict(
                type='WarmupLoss', fraction=Code(warmup), loss=loss['loss']
            )
    head = parts.architecture.get('head', ConfigDict(loss=ConfigDict()))
    return distiller, head.loss.get('loss_weight', 1.0)


def check_logits(
    method: str, student: OwnNetwork, teacher: OwnNetwork
) -> None:
    """Raise if the networks' logits can't be compared.

    Raises:
        SettingError: If they are of other classes, DKD has no labels, or a
            network's classifier isn't the linear one that a method needs.
    """
    check_counts(
        f'--method {method} compares their logits class by class',
        student.num_classes,
        teacher.num_classes,
        ', or write --method lakd, which compares maps alone then',
    )
    if student.why_no_logits:
        raise SettingError(
            f'--method {method} compares the logits of one label an image, '
            f"but '{student.source}' has none: {student.why_no_logits}; write "
            f'--method lakd.'
        )
    for network in (student, teacher):
        usual = network.pooled and network.logits == 'head.fc'
        if method.endswith('_scales') and not usual:
            raise SettingError(
                f'--method {method} takes the logits of parts of an image, '
                f"for which a network ends with average pooling, 'neck.gap', "
                f"and one linear layer, 'head.fc', but the {network.role} "
                f"'{network.source}' doesn't; write --method kd."
            )
    layer = teacher.model.get_submodule(teacher.logits or '')
    if method == 'wkd_l' and not isinstance(layer, nn.Linear):
        raise SettingError(
            f'--method wkd_l takes the distances of classes from a linear '
            f"classifier, but the logits of '{teacher.source}' are of a "
            f'{type(layer).__name__}; write --method dkd.'
        )
    if method.startswith(NEED_LABELS) and student.has_soft_labels:
        raise SettingError(
            f'--method {method} needs one label an image, but '
            f"'{student.source}' has soft labels (Mixup, CutMix, to_onehot); "
            f'write --method kd.'
        )
    if method.startswith(NEED_LABELS) and not student.labels:
        raise SettingError(
            f'--method {method} needs the index of the class, but the loss of '
            f"'{student.source}' gives none to a loss_module, as its second "
            f'argument; write --method kd.'
        )


def check_classifiers(
    method: str, student: OwnNetwork, teacher: OwnNetwork
) -> None:
    """Raise if a network has no classifier right after global pooling.

    Raises:
        SettingError: If one has none, naming it, or the classes of two that
            CAT-KD would compare differ in number.
    """
    for network in (student, teacher):
        classifier = dict(network.model.named_modules()).get('head.fc')
        if not (
            network.pooled
            and network.logits == 'head.fc'
            and isinstance(classifier, nn.Linear)
        ):
            raise SettingError(
                f'--method {method} takes the map before global average '
                f'pooling (neck.gap) and the weights of the classifier behind '
                f"it (head.fc), but the {network.role} '{network.source}' has "
                f'others; write --method lakd.'
            )
    if method == 'catkd':
        check_counts(
            f'--method {method} compares a map of each class',
            student.num_classes,
            teacher.num_classes,
        )
