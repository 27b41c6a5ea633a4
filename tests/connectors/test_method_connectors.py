"""Connectors of FitNet, FCFD, VID, OFD and ReviewKD."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from mmrazor.models.distillers import OFDDistiller
from torch import nn

from mmrazor_lakd import SettingError
from mmrazor_lakd.connectors import (
    BridgeConnector,
    EmbeddingConnector,
    GaussianConnector,
    HintConnector,
    LocalModuleConnector,
    MarginConnector,
    ReviewConnector,
    expected_negative,
)
from mmrazor_lakd.connectors.batch_norm import BatchNorm2d
from mmrazor_lakd.connectors.shapes import scaled_size


@pytest.mark.parametrize(
    's_shape, t_shape, kernel',
    [
        ((16, 8, 8), (16, 8, 8), (1, 1)),
        ((16, 8, 8), (32, 8, 8), (1, 1)),
        ((16, 16, 16), (32, 8, 8), (3, 3)),
        ((16, 4, 4), (32, 8, 8), (4, 4)),
        ((16, 9, 7), (32, 4, 4), (6, 4)),
    ],
)
def test_hints_reach_the_shape_of_the_teacher(s_shape, t_shape, kernel):
    connector = HintConnector(s_shape, t_shape)
    assert connector.regress[0].kernel_size == kernel
    output = connector(torch.randn(2, *s_shape))
    assert output.shape == (2, *t_shape)
    assert output.min() == 0  # behind a ReLU


@pytest.mark.parametrize(
    ('in_shape', 'out_shape', 'kernel', 'bias'),
    [
        ((3, 4, 6), (5, 4, 6), (3, 3), False),
        ((3, 8, 4), (5, 4, 2), (3, 3), True),
        ((3, 2, 4), (5, 4, 8), (4, 4), True),
    ],
)
@pytest.mark.parametrize('activate', [False, True])
def test_bridges(in_shape, out_shape, kernel, bias, activate):
    bridge = BridgeConnector(in_shape, out_shape, activate)
    conv, norm, *relu = bridge.layers
    assert conv.kernel_size == kernel and (conv.bias is not None) == bias
    feature = torch.randn(2, *in_shape)
    expected = norm(conv(feature))
    if activate:
        expected = torch.where(expected > 0, expected, 0.1 * expected)
    output = bridge(feature)
    assert output.shape == (2, *out_shape)
    torch.testing.assert_close(output, expected)


def test_bridges_between_other_sizes():
    with pytest.raises(SettingError, match='8x8 to .* not to 3x3; choose'):
        BridgeConnector((3, 8, 8), (3, 3, 3))
    with pytest.raises(SettingError, match="activate='no'; choose one of"):
        BridgeConnector((3, 8, 8), (3, 8, 8), 'no')


def test_hints_of_equal_shapes_are_a_convolution_norm_and_relu():
    connector = HintConnector((3, 4, 4), (5, 4, 4)).eval()
    feature = torch.randn(2, 3, 4, 4)
    conv, norm, _ = connector.regress
    mapped = torch.einsum('oi,nihw->nohw', conv.weight[..., 0, 0], feature)
    expected = norm(mapped + conv.bias.view(1, -1, 1, 1)).clamp(min=0)
    torch.testing.assert_close(connector(feature), expected)


def test_one_value_a_channel_is_normalised_by_the_running_statistics():
    norm = BatchNorm2d(5).double()
    for count in (8, 1):  # the second batch has no variance
        feature = torch.randn(count, 5, 1, 1).double().requires_grad_()
        before = copy.deepcopy(norm)
        plain = nn.BatchNorm2d(5).double()
        plain.load_state_dict(norm.state_dict())
        inputs = [feature, norm.weight, norm.bias]
        grads = torch.autograd.grad(norm(feature).square().sum(), inputs)
        plain.train(count > 1)
        expected = plain(feature)
        inputs = [feature, plain.weight, plain.bias]
        expected = torch.autograd.grad(expected.square().sum(), inputs)
        torch.testing.assert_close(grads, expected)
    for name, value in before.state_dict().items():
        assert torch.equal(norm.state_dict()[name], value), name


@pytest.mark.parametrize(
    'connector, shapes',
    [
        (HintConnector((3, 1, 1), (5, 1, 1)), [(3, 1, 1)]),
        (LocalModuleConnector(3, 5), [(3, 1, 1)]),
        (
            ReviewConnector([(2, 4, 4), (3, 1, 1)], [(4, 4, 4), (5, 1, 1)]),
            [(2, 4, 4), (3, 1, 1)],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_connectors_train_with_a_last_batch_of_one_image(connector, shapes):
    maps = [torch.randn(1, *shape) for shape in shapes]
    outputs = connector(maps if len(maps) > 1 else maps[0])
    sum(output.square().sum() for output in outputs).backward()
    assert all(p.grad.isfinite().all() for p in connector.parameters())


def test_hints_from_maps_that_are_too_small():
    with pytest.raises(SettingError, match='4x4.*16x16.*earlier module'):
        HintConnector((16, 4, 4), (16, 16, 16))


def test_a_gaussian_of_the_teachers_map():
    """RepDistiller's: three convolutions, after the larger map is pooled."""
    connector = GaussianConnector((3, 8, 4), (5, 4, 4), variance=2.0).double()
    feature = torch.randn(2, 3, 16, 8).double()  # twice the dry run's image
    mean, variance = connector(feature)
    expected = feature.unflatten(2, (8, 2)).mean(3)
    for index in (0, 2, 4):
        weight = connector.regress[index].weight[..., 0, 0]
        expected = torch.einsum('oi,nihw->nohw', weight, expected)
        expected = expected.clamp(min=0) if index < 4 else expected
    torch.testing.assert_close(mean, expected)
    torch.testing.assert_close(variance, torch.full((5,), 2.0).double())
    # the smaller one stays
    connector = GaussianConnector((3, 4, 4), (5, 8, 8))
    assert connector(torch.randn(2, 3, 4, 4))[0].shape == (2, 5, 4, 4)
    with pytest.raises(SettingError, match='variance=0;'):
        GaussianConnector((3, 4, 4), (5, 8, 8), variance=0)


def test_an_embedding_of_pooled_features():
    connector = EmbeddingConnector(6, 4)
    feature = torch.randn(3, 6, 1, 1)
    expected = feature[..., 0, 0] @ connector.linear.weight.t()
    expected = expected + connector.linear.bias
    torch.testing.assert_close(connector(feature), expected)
    with pytest.raises(SettingError, match='dim_out=0;'):
        EmbeddingConnector(6, 0)


def norm_layer(weight, bias):
    norm = nn.BatchNorm2d(len(weight))
    norm.weight.data = torch.tensor(weight)
    norm.bias.data = torch.tensor(bias)
    return norm


def test_margins_by_hand():
    # a standard normal: -sqrt(2 / pi); negative once in 30,000: -3 sigma;
    # sigma 0: the constant itself, where that is negative
    norm = norm_layer([1.0, -1.0, 0.5, 0.0, 0.0], [0.0, 0.0, 2.0, -2.0, 2.0])
    expected = [-0.797885, -0.797885, -1.5, -2.0, 0.0]
    assert expected_negative(norm).tolist() == pytest.approx(
        expected, abs=1e-6
    )
    plain = nn.BatchNorm2d(2, affine=False)
    assert expected_negative(plain).tolist() == pytest.approx([-0.797885] * 2)


def negative_mean(mean, std, steps=200000):
    """E[x | x < 0] of a normal x, by the trapezoid rule."""
    low = min(mean - 12 * std, -12 * std)
    x = torch.linspace(low, 0, steps, dtype=torch.float64)
    density = torch.exp(-(((x - mean) / std) ** 2) / 2)
    moment = torch.trapezoid(x * density, x)
    mass = torch.trapezoid(density, x)
    share = mass / (std * math.sqrt(2 * math.pi))
    return (moment / mass).item(), share.item()


@pytest.mark.parametrize('mean, std', [(0.3, 1.2), (-2.0, 0.7), (1.5, 0.6)])
def test_margins_are_the_mean_of_the_negative_values(mean, std):
    expected, share = negative_mean(mean, std)
    assert share > 1e-3
    norm = norm_layer([-std], [mean])
    assert expected_negative(norm).item() == pytest.approx(expected, rel=1e-5)
    assert OFDDistiller()._get_margin_from_BN(norm).item() == pytest.approx(
        expected, rel=1e-5
    )


def test_stock_margins_fail_for_a_channel_that_is_off():
    with pytest.raises(ZeroDivisionError):
        OFDDistiller()._get_margin_from_BN(norm_layer([0.0], [1.0]))


class Net(nn.Module):
    """Two norms before a map, and one of another shape between them."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.norm1 = nn.BatchNorm2d(4)
        self.norm2 = nn.BatchNorm2d(4)
        self.pool = nn.AvgPool2d(2)
        self.norm3 = nn.BatchNorm2d(4)
        self.tap = nn.Identity()
        self.bare = nn.ReLU()

    def forward(self, x, mode='tensor'):
        bare = self.bare(x)
        x = self.norm2(self.norm1(self.conv(bare)))
        return self.tap(x) + self.norm3(self.pool(x)).mean()


def test_margins_find_the_norm_before_the_map():
    net, image = Net().eval(), torch.zeros(1, 3, 8, 8)
    found = {}
    for source in ('tap', 'norm1'):
        connector = MarginConnector((4, 8, 8), (4, 8, 8))
        connector.prepare_from_teacher(net, source, image)
        found[source] = connector._norm[0]
    assert found['tap'] is net.norm2
    assert found['norm1'] is net.norm1
    named = MarginConnector((4, 8, 8), (4, 8, 8), norm='norm1')
    named.prepare_from_teacher(net, 'tap', image)
    assert named._norm[0] is net.norm1
    assert not list(named.parameters()) and not named.state_dict()
    wrong = MarginConnector((4, 8, 8), (4, 8, 8), norm='conv')
    with pytest.raises(SettingError, match="norm='conv'.*'tap'"):
        wrong.prepare_from_teacher(net, 'tap', image)
    lost = MarginConnector((3, 8, 8), (4, 8, 8))
    with pytest.raises(SettingError, match="'bare'.*norm="):
        lost.prepare_from_teacher(net, 'bare', image)
    with pytest.raises(SettingError, match='FeatureDistiller'):
        lost(image)


def test_margins_cut_off_and_pool():
    connector = MarginConnector((2, 4, 4), (7, 2, 2))
    norm = norm_layer([1.0, 1.0], [0.0, -9.0])
    connector._norm = [norm]
    feature = (9 * torch.randn(2, 2, 8, 8).double()).requires_grad_()
    output = connector(feature)  # images twice as large as the dry run's
    cells = feature.unflatten(2, (4, 2)).unflatten(4, (4, 2)).mean((3, 5))
    margin = expected_negative(norm).view(1, 2, 1, 1)
    torch.testing.assert_close(output, torch.maximum(cells, margin).detach())
    assert not output.requires_grad
    lowest = output[:, 0].min().item()
    assert lowest == pytest.approx(-math.sqrt(2 / math.pi))


def slow_fusion(connector, maps, sizes):
    """Chen et al., figure 3 (a), by loops over positions."""
    outputs, deeper = [], None
    for stage, block, size in zip(
        maps[::-1], list(connector.blocks)[::-1], sizes[::-1]
    ):
        conv, norm = block.reduce
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight = conv.weight[..., 0, 0] * scale[:, None]
        shift = norm.bias - norm.running_mean * scale
        number, _, height, width = stage.shape
        fused = stage.new_zeros(number, len(weight), height, width)
        for n in range(number):
            for y in range(height):
                for x in range(width):
                    value = weight @ stage[n, :, y, x] + shift
                    if deeper is not None:
                        above = deeper[
                            n,
                            :,
                            y * deeper.shape[2] // height,
                            x * deeper.shape[3] // width,
                        ]
                        gate = block.attention[0]
                        both = torch.cat([value, above])
                        a, b = torch.sigmoid(
                            gate.weight[..., 0, 0] @ both + gate.bias
                        )
                        value = a * value + b * above
                    fused[n, :, y, x] = value
        rows = [y * height // size[0] for y in range(size[0])]
        columns = [x * width // size[1] for x in range(size[1])]
        deeper = fused[:, :, rows][..., columns]
        conv, norm = block.project
        outputs.append(norm(F.conv2d(deeper, conv.weight, padding=1)))
    return outputs[::-1]


def test_fusion_is_the_published_one():
    torch.manual_seed(0)
    s_shapes = [(3, 8, 8), (5, 4, 4), (6, 1, 1)]
    t_shapes = [(4, 8, 8), (7, 8, 8), (9, 1, 1)]
    connector = ReviewConnector(s_shapes, t_shapes).double().eval()
    for module in connector.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    assert connector.blocks[0].reduce[0].out_channels == 6
    assert connector.blocks[2].attention is None
    maps = [torch.randn(2, *shape).double() for shape in s_shapes]
    outputs = connector(maps)
    assert [tuple(o.shape[1:]) for o in outputs] == t_shapes
    expected = slow_fusion(connector, maps, [s[1:] for s in t_shapes])
    torch.testing.assert_close(outputs, expected)


def test_fusion_of_images_larger_than_the_dry_runs():
    connector = ReviewConnector([(3, 4, 4), (5, 1, 1)], [(4, 8, 8), (9, 1, 1)])
    maps = [torch.randn(2, 3, 28, 28), torch.randn(2, 5, 1, 1)]
    shapes = [tuple(o.shape) for o in connector(maps)]
    assert shapes == [(2, 4, 56, 56), (2, 9, 1, 1)]
    assert scaled_size((7, 7), (3, 1, 1), (3, 2, 2)) == (14, 14)


def test_fusion_of_unequal_numbers():
    with pytest.raises(SettingError, match='2 and 1'):
        ReviewConnector([(3, 4, 4), (5, 1, 1)], [(4, 8, 8)])


@pytest.mark.parametrize(
    'shape', [(49, 192), (), (8,), None, 5, 'abc', (8, 4, 0), (8, 4.0, 4),
              (8, '4', 4), (8, -4, 4), (2**70, 4, 4), (2, 8, 4, 4)]
)  # fmt: skip
@pytest.mark.parametrize('side', [0, 1])
@pytest.mark.parametrize(
    'type', [BridgeConnector, HintConnector, MarginConnector]
)
def test_a_shape_is_that_of_a_map(type, side, shape):
    """Tokens (L, C), for example, are none."""
    shapes = [(8, 4, 4)] * 2
    shapes[side] = shape
    name = ('in_shape', 'out_shape')[side]
    with pytest.raises(SettingError, match=f'{type.__name__}.* {name}='):
        type(*shapes)


@pytest.mark.parametrize('shapes', [None, [], 5, 'abc', [(8, 4)], [None]])
@pytest.mark.parametrize('name', ['in_shapes', 'out_shapes'])
def test_lists_of_shapes(name, shapes):
    given = dict(in_shapes=[(8, 4, 4)], out_shapes=[(8, 4, 4)])
    with pytest.raises(SettingError, match=f'ReviewConnector.* {name}'):
        ReviewConnector(**dict(given, **{name: shapes}))


@pytest.mark.parametrize('width', [0, -1, 2.5, '512', None, 2**70])
def test_widths_of_connectors(width):
    with pytest.raises(
        SettingError, match='max_mid_channels=.*; write an int'
    ):
        ReviewConnector([(8, 4, 4)], [(8, 4, 4)], width)
    with pytest.raises(SettingError, match='in_channels=.*; write an int'):
        LocalModuleConnector(width, 8)
    with pytest.raises(SettingError, match='out_channels=.*; write an int'):
        LocalModuleConnector(8, width)


@pytest.mark.parametrize('norm', [5, True, ['bn'], {'bn': 1}])
def test_the_name_of_a_norm(norm):
    with pytest.raises(SettingError, match="norm=.*norm='backbone.bn1'"):
        MarginConnector((1, 4, 4), (1, 4, 4), norm)


def test_copies_keep_their_margins():
    connector = MarginConnector((1, 4, 4), (1, 4, 4))
    connector._norm = [norm_layer([1.0], [0.0])]
    copied = copy.deepcopy(connector)
    feature = torch.full((1, 1, 4, 4), -5.0)
    torch.testing.assert_close(copied(feature), connector(feature))
