"""Convert published checkpoints of the literature to our networks' names."""

import re
from functools import lru_cache
from typing import Callable, Dict, List, NamedTuple, Sequence, Tuple, Union

import torch
from torch import Tensor, nn

from ..backbones import cifar_mobilenet_v2, mobilenet_v1
from ..backbones.networks import NETWORKS, build_network
from ..errors import SettingError
from .weights import compare_keys, few, part_of, take_weights

# A pattern for the beginning of a name, and its replacement.
RenameRule = Tuple[str, Union[str, Callable[[re.Match], str]]]


class Family(NamedTuple):
    """Networks whose published parameters share a naming scheme.

    Attributes:
        sign (str): Pattern for the beginning of a name that only this family
            has.
        rules (Sequence[RenameRule]): Rules, of which the first that matches
            is applied.
        networks (list[str]): Names in :data:`NETWORKS`.
    """

    sign: str
    rules: Sequence[RenameRule]
    networks: List[str]


class Converted(NamedTuple):
    """A published checkpoint that fits one of our networks.

    Attributes:
        network (str): Its name in :data:`NETWORKS`.
        num_classes (int): Number of classes of its head.
        state_dict (dict): The weights, in the form for ``build_network``.
    """

    network: str
    num_classes: int
    state_dict: Dict[str, Tensor]


def _names(*starts: str) -> List[str]:
    return [name for name in NETWORKS if name.startswith(starts)]


def _vgg_layer(match) -> str:
    """Map a layer of RepDistiller's flat list: convolution, BN, ReLU, ..."""
    stage, place = match[1], int(match[2])
    kind = ('conv', 'bn', 'relu')[place % 3]
    return f'backbone.layer{stage}.{place // 3}.{kind}.'


def _mobilenet_v2_block(match) -> str:
    """Map a block to our stages, each of several rows of the architecture."""
    place, block = int(match[1]), int(match[2])
    for number, rows in enumerate(cifar_mobilenet_v2.ARCH_SETTINGS, 1):
        if place < len(rows):
            block += sum(count for _, _, count, _ in rows[:place])
            return f'backbone.layer{number}.{block}.'
        place -= len(rows)
    return match[0]


def _mobilenet_v1_layer(match) -> str:
    """Map a layer to our stages and blocks."""
    place, layer = int(match[1]) - 1, int(match[2])
    name = f'{("conv", "bn", "relu")[layer % 3]}{layer // 3 + 1}'
    if place < 0:
        return f'backbone.{name}.'
    for number, rows in enumerate(mobilenet_v1.ARCH_SETTINGS, 1):
        if place < len(rows):
            return f'backbone.layer{number}.{place}.{name}.'
        place -= len(rows)
    return match[0]


# The networks that are also published with parameter-free shortcuts, and the
# epsilon of their batch normalisation.
PADDED = [name for name in _names('resnet') if name[6:].isdigit()]
EPS = nn.BatchNorm2d(1).eps

HEAD: RenameRule = (r'(?:fc|linear|classifier(?:\.0)?)\.', 'head.fc.')
FAMILIES = (
    Family(
        r'block1\.layer\.',
        (
            # Our stages end with the BN that begins the next published one.
            (r'block2\.layer\.0\.bn1\.', 'backbone.layer1.bn.'),
            (r'block3\.layer\.0\.bn1\.', 'backbone.layer2.bn.'),
            (r'bn1\.', 'backbone.layer3.bn.'),
            (
                r'block(\d)\.layer\.(\d+)\.convShortcut\.',
                r'backbone.layer\1.\2.downsample.',
            ),
            (r'block(\d)\.layer\.', r'backbone.layer\1.'),
            HEAD,
            (r'', 'backbone.'),
        ),
        _names('wrn'),
    ),
    Family(
        r'block0\.0\.',
        ((r'block(\d)\.(\d+)\.', _vgg_layer), HEAD, (r'', 'backbone.')),
        _names('vgg'),
    ),
    Family(
        r'blocks\.0\.0\.conv\.',
        (
            (r'blocks\.(\d+)\.(\d+)\.', _mobilenet_v2_block),
            HEAD,
            (r'', 'backbone.'),
        ),
        _names('MobileNetV2'),
    ),
    Family(
        r'model\.0\.0\.',
        (
            (r'model\.(\d+)\.(\d+)\.', _mobilenet_v1_layer),
            HEAD,
            (r'', 'backbone.'),
        ),
        _names('MobileNetV1'),
    ),
    Family(
        r'layer1\.0\.',
        (
            (
                r'(layer\d)\.(\d+)\.shortcut\.',
                r'backbone.\1.\2.downsample.',
            ),
            HEAD,
            (r'', 'backbone.'),
        ),
        _names('resnet', 'ResNet', 'Shuffle'),
    ),
)


def convert_published(checkpoint: object, source: str) -> Converted:
    """Identify the network of a published checkpoint, and rename its weights.

    Supports the checkpoints of RepDistiller, mdistiller and ReviewKD, whose
    networks have the same names, torchvision's ResNets 18, 34 and 50, and
    pytorch_resnet_cifar10's ResNets, whose shortcuts have no parameters.

    Args:
        checkpoint (dict): Contents of the file, in a form that
            :func:`take_weights` supports. If some names begin with
            ``student.``, as after a training by ReviewKD or mdistiller, only
            these are converted.
        source (str): The file, for the messages.

    Raises:
        SettingError: If there is no state dict, or it fits no network, naming
            the nearest one and the first keys and shapes that differ.
    """
    weights = take_weights(checkpoint, f"'{source}'")
    published = part_of(weights, 'student.') or weights
    families = [
        family
        for family in FAMILIES
        if any(re.match(family.sign, name) for name in published)
    ]
    if not families:
        raise SettingError(
            f"'{source}' has other names than the networks known here (the "
            f'first: {few(list(published))}); give a checkpoint of '
            f'RepDistiller, mdistiller, ReviewKD, pytorch_resnet_cifar10 or a '
            f'ResNet of torchvision.'
        )
    family = families[0]
    renamed: Dict[str, Tensor] = {}
    origin: Dict[str, str] = {}
    for name, value in published.items():
        new = _rename(name, family.rules)
        if new in renamed:
            raise SettingError(
                f"'{source}' has both {origin[new]} and {name}, of which a "
                f'network known here has one; give the checkpoint of one '
                f'network.'
            )
        renamed[new], origin[new] = value, name
    head = renamed.get('head.fc.weight')
    num_classes = 1 if head is None else len(head)

    padded = 'linear.weight' in published and not any(
        'downsample' in name for name in renamed
    )
    nearest = None
    for network in family.networks:
        expected = _shapes(network, num_classes)
        shortcuts = padded and network in PADDED
        found = {**_unwritten(expected, shortcuts), **renamed}
        problems = compare_keys(expected, found)
        if not any(problems.values()):
            ordered = {name: found[name] for name in expected}
            return Converted(network, num_classes, ordered)
        count = sum(map(len, problems.values()))
        if nearest is None or count < nearest[0]:
            nearest = count, network, problems
    _, network, problems = nearest
    listed = '; '.join(
        f'{len(names)} {kind} '
        f'({few([origin.get(name, name) + names[name] for name in names])})'
        for kind, names in problems.items()
        if names
    )
    raise SettingError(
        f"'{source}' comes nearest to {network}, but does not fit: {listed}; "
        f'give a checkpoint of {", ".join(family.networks)}.'
    )


def _rename(name: str, rules: Sequence[RenameRule]) -> str:
    """Apply the first rule that matches the beginning of a name."""
    for pattern, replacement in rules:
        if re.match(pattern, name):
            return re.sub(rf'\A(?:{pattern})', replacement, name, count=1)
    return name


def _unwritten(
    expected: Dict[str, torch.Size], padded: bool
) -> Dict[str, Tensor]:
    """Create the tensors that a published checkpoint may lack.

    These are the counters, which PyTorch before 0.4.1 did not save, and
    shortcuts without parameters: He et al.'s option A takes every second
    pixel and pads the channels with zeros, half of them before and half
    after. A 1x1 convolution of that stride does the same, followed by a
    batch normalisation that, in evaluation, changes nothing.

    Args:
        expected (dict): Names and shapes of the network's tensors.
        padded (bool): Whether the shortcuts have no parameters.
    """
    made = {}
    for name, shape in expected.items():
        owner, end = name.rsplit('.', 1)
        if end == 'num_batches_tracked':
            made[name] = torch.tensor(0)
        elif padded and owner.endswith('.downsample.0'):
            channels = shape[1]
            before = (shape[0] - channels) // 2
            weight = torch.zeros(shape)
            weight[before : before + channels, :, 0, 0] = torch.eye(channels)
            made[name] = weight
        elif padded and owner.endswith('.downsample.1'):
            value = {'weight': 1.0, 'running_var': 1.0 - EPS}.get(end, 0.0)
            made[name] = torch.full(shape, value)
    return made


@lru_cache(maxsize=None)
def _shapes(network: str, num_classes: int) -> Dict[str, torch.Size]:
    """List the names and shapes of a network's tensors."""
    state_dict = build_network(network, num_classes).state_dict()
    return {name: value.shape for name, value in state_dict.items()}
