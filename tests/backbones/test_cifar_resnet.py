"""The CIFAR ResNets are the literature's networks."""

import pytest
import torch

from mmrazor_lakd import SettingError
from mmrazor_lakd.backbones import CIFARResNet

# Parameters with a linear head for 100 classes, as RepDistiller's models
# have them.
PARAMETERS = {
    8: 83892,
    14: 181108,
    20: 278324,
    32: 472756,
    44: 667188,
    56: 861620,
    110: 1736564,
    '8x4': 1233540,
    '32x4': 7433860,
}


@pytest.mark.parametrize('depth', PARAMETERS)
def test_parameters(depth):
    net = CIFARResNet(depth)
    count = sum(p.numel() for p in net.parameters())
    assert count + net.feat_dim * 100 + 100 == PARAMETERS[depth]


def test_stages_and_taps():
    """A tap gives the map before the ReLU whose output is the stage's."""
    net = CIFARResNet(20, out_indices=(0, 1, 2))
    net.init_weights()
    taps = []
    for stage in (net.layer1, net.layer2, net.layer3):
        stage.preact.register_forward_hook(lambda m, i, o: taps.append(o))
    outs = net(torch.randn(2, 3, 32, 32))
    assert [tuple(out.shape) for out in outs] == [
        (2, 16, 32, 32),
        (2, 32, 16, 16),
        (2, 64, 8, 8),
    ]
    for tap, out in zip(taps, outs):
        assert (tap < 0).any()
        assert torch.equal(tap.relu(), out)


def test_parameter_names_are_repdistillers():
    names = set(CIFARResNet(20).state_dict())
    assert {
        'conv1.weight',
        'bn1.running_var',
        'layer1.2.conv2.weight',
        'layer2.0.downsample.0.weight',
        'layer3.0.downsample.1.bias',
    } <= names


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(depth=18), "depth=18; choose one of 8, 14, 20.*'32x4'"),
        (dict(depth=20, out_indices=(3,)), 'stages 0, 1 and 2.*3'),
        (dict(depth=20, out_indices=()), 'out_indices'),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(SettingError, match=message):
        CIFARResNet(**options)
