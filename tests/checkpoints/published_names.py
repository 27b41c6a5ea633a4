"""Checkpoints as RepDistiller and mdistiller publish them, made here.

The names are written down from their definitions, the other way round than
the converter's rules, and the weights follow from the names alone: whoever
runs the original code on them gets the same logits.
"""

import zlib

import numpy as np
import torch

from mmrazor_lakd.backbones import NETWORKS, build_network

# mmrazor_lakd: blocks of each stage in the order of the published lists
MOBILENET_V2 = {
    'layer1': ['0.0', '1.0', '1.1'],
    'layer2': ['2.0', '2.1', '2.2'],
    'layer3': ['3.0', '3.1', '3.2', '3.3', '4.0', '4.1', '4.2'],
    'layer4': ['5.0', '5.1', '5.2', '6.0'],
}
MOBILENET_V1 = {
    'layer1': [1, 2, 3],
    'layer2': [4, 5],
    'layer3': [6, 7, 8, 9, 10, 11],
    'layer4': [12, 13],
}
WRN_NORMS = {
    'layer1.bn': 'block2.layer.0.bn1',
    'layer2.bn': 'block3.layer.0.bn1',
    'layer3.bn': 'bn1',
}


def published_name(network, name):
    """The published name of a parameter of ours."""
    parts = name.split('.')
    owner, end = '.'.join(parts[:-1]), parts[-1]
    if owner == 'head.fc':
        if network.startswith('vgg'):
            return f'classifier.{end}'
        if network == 'MobileNetV2':
            return f'classifier.0.{end}'
        linear = network.startswith(('Shuffle', 'ResNet'))
        return f'linear.{end}' if linear else f'fc.{end}'
    owner = owner[len('backbone.') :]
    stage, *inside = owner.split('.')
    if network.startswith('wrn'):
        if owner in WRN_NORMS:
            owner = WRN_NORMS[owner]
        elif inside:
            layer = inside[1].replace('downsample', 'convShortcut')
            owner = f'block{stage[-1]}.layer.{inside[0]}.{layer}'
    elif network.startswith('vgg'):
        place = 3 * int(inside[0]) + ['conv', 'bn'].index(inside[1])
        owner = f'block{stage[-1]}.{place}'
    elif network == 'MobileNetV2' and stage in MOBILENET_V2:
        block = MOBILENET_V2[stage][int(inside[0])]
        owner = f'blocks.{block}.{".".join(inside[1:])}'
    elif network.startswith('MobileNetV1'):
        number = 0
        if stage in MOBILENET_V1:
            number = MOBILENET_V1[stage][int(inside[0])]
        layer = {'conv1': 0, 'bn1': 1, 'conv2': 3, 'bn2': 4}
        owner = f'model.{number}.{layer[owner.split(".")[-1]]}'
    elif network in ('ResNet18', 'ResNet50'):
        owner = owner.replace('downsample', 'shortcut')
    return f'{owner}.{end}'


def made_tensor(name, shape):
    """Numbers that follow from a published name and a shape."""
    if name.endswith('num_batches_tracked'):
        return torch.tensor(7)
    numbers = np.random.RandomState(zlib.crc32(name.encode())).uniform(
        -1, 1, tuple(shape)
    )
    if len(shape) > 1:
        numbers *= np.sqrt(3 / np.prod(shape[1:]))
    elif name.endswith('running_var'):
        numbers = 1 + numbers / 2
    elif name.endswith('weight'):
        numbers = 0.6 + 0.3 * numbers
    else:
        numbers *= 0.1
    return torch.from_numpy(numbers).float()


def made_checkpoint(network):
    """A state dict of the published names."""
    names = {
        published_name(network, name): value.shape
        for name, value in build_network(network).state_dict().items()
    }
    return {name: made_tensor(name, shape) for name, shape in names.items()}


def made_image(network):
    """An image of the size of the literature's data."""
    size = NETWORKS[network].image_size
    numbers = np.random.RandomState(0).uniform(-1, 1, (1, 3, size, size))
    return torch.from_numpy(numbers).float()
