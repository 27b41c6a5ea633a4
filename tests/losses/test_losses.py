"""The losses against slow float64 versions, written from the formulas."""

import math

import pytest
import torch

from mmrazor_lakd import SettingError
from mmrazor_lakd.losses import (
    LocalFeatureLoss,
    NDAMLoss,
    local_feature_loss,
    ndam_loss,
    ndam_map,
)
from mmrazor_lakd.losses.weighted_square import LARGE_PART, chunks

EPS = 1e-6
# Maps of unequal batch, width and size, square or not.
SHAPES = [(2, 3, 5, 7), (3, 8, 4, 4), (1, 1, 6, 3), (4, 5, 1, 1)]


def pair(shape, seed=0):
    """A student's and a teacher's map, in float64."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for _ in range(2)
    ]


def slow_feature_loss(s, t, weight, normalize, reduction):
    """sum_i w(i) (F_T(i) - F_S(i))^2 / N, by loops over every element."""
    n, c, h, w = t.shape
    values = [float(v) for v in t.flatten()]
    total = 0.0
    for i in range(n):
        for j in range(c):
            for y in range(h):
                for x in range(w):
                    diff = float(t[i, j, y, x]) - float(s[i, j, y, x])
                    factor = weight[i][y][x] if weight else 1.0
                    total += factor * diff * diff
    total /= n if reduction == 'instance' else n * c * h * w
    if normalize == 'variance':
        mean = sum(values) / len(values)
        var = sum((v - mean) ** 2 for v in values) / len(values)
        total /= var + EPS
    return total


def slow_ndam_map(f, alpha, beta, k, activation, normalize):
    """W = alpha avgpool(F_sum) + beta maxpool(F_sum), by loops."""
    act = dict(relu=lambda v: max(v, 0.0), abs=abs, none=lambda v: v)[
        activation
    ]
    n, c, h, w = f.shape
    maps = []
    for i in range(n):
        summed = [
            [
                sum(act(float(f[i, j, y, x])) for j in range(c))
                for x in range(w)
            ]
            for y in range(h)
        ]
        out = [[0.0] * w for _ in range(h)]
        for y in range(h):
            for x in range(w):
                r = max(h, w) if k is None else k // 2
                window = [
                    summed[v][u]
                    for v in range(max(0, y - r), min(h, y + r + 1))
                    for u in range(max(0, x - r), min(w, x + r + 1))
                ]
                out[y][x] = alpha * sum(window) / len(window) + beta * max(
                    window
                )
        flat = [v for row in out for v in row]
        if normalize == 'mean':
            mean = sum(flat) / len(flat)
            out = [[(v + EPS) / (mean + EPS) for v in row] for row in out]
        elif normalize == 'softmax':
            top = max(flat)
            norm = sum(math.exp(v - top) for v in flat)
            out = [
                [math.exp(v - top) / norm * len(flat) for v in row]
                for row in out
            ]
        maps.append(out)
    return maps


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('reduction', ['element', 'instance'])
@pytest.mark.parametrize('normalize', ['variance', 'none'])
def test_feature_loss_is_its_formula(shape, normalize, reduction):
    if normalize == 'variance' and shape == (4, 5, 1, 1):
        shape = (4, 5, 2, 1)
    s, t = pair(shape)
    loss = LocalFeatureLoss(0.7, normalize, reduction)
    expected = 0.7 * slow_feature_loss(s, t, None, normalize, reduction)
    assert loss(s, t).item() == pytest.approx(expected, rel=1e-12)
    assert loss(s.float(), t.float()).item() == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('kernel_size', [1, 3, 5, None])
@pytest.mark.parametrize('activation', ['relu', 'abs', 'none'])
@pytest.mark.parametrize('normalize', ['mean', 'softmax', 'none'])
def test_ndam_map_is_its_formula(shape, kernel_size, activation, normalize):
    if kernel_size and kernel_size // 2 > min(shape[2:]):
        kernel_size = 3
    _, t = pair(shape)
    # positive on the whole: a mean near 0 would amplify the rounding
    t = t + 3
    options = (0.3, 0.6, kernel_size, activation, normalize)
    expected = torch.tensor(slow_ndam_map(t, *options), dtype=torch.float64)
    actual = ndam_map(t, *options)
    assert actual.shape == (shape[0], 1, *shape[2:])
    torch.testing.assert_close(actual[:, 0], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize('shape', SHAPES[:3])
@pytest.mark.parametrize('normalize', ['mean', 'softmax', 'none'])
@pytest.mark.parametrize('scale', ['variance', 'none'])
def test_weighted_loss_is_its_formula(shape, normalize, scale):
    s, t = pair(shape, seed=1)
    loss = NDAMLoss(0.2, 0.9, 1.5, normalize=normalize, scale=scale)
    weight = slow_ndam_map(t, 0.2, 0.9, 3, 'relu', normalize)
    expected = 1.5 * slow_feature_loss(s, t, weight, scale, 'element')
    assert loss(s, t).item() == pytest.approx(expected, rel=1e-11)


def test_matching_mode_compares_the_two_maps():
    s, t = pair((2, 4, 5, 6), seed=2)
    maps = [
        torch.tensor(
            slow_ndam_map(f, 0.5, 0.5, 3, 'relu', 'mean'), dtype=torch.float64
        ).unsqueeze(1)
        for f in (s, t)
    ]
    expected = slow_feature_loss(*maps, None, 'variance', 'element')
    actual = NDAMLoss(mode='match')(s, t).item()
    assert actual == pytest.approx(expected, rel=1e-11)


def test_map_by_hand():
    feature = torch.zeros(1, 2, 3, 3)
    feature[0, 0, 1, 1] = 4.0
    feature[0, 1, 1, 1] = 5.0  # F_sum: 9 in the middle, 0 elsewhere
    raw = ndam_map(feature, 1.0, 0.0, normalize='none')[0, 0]
    # windows of 4, 6 and 9 positions: corner, edge, middle
    expected = torch.tensor(
        [[9 / 4, 1.5, 9 / 4], [1.5, 1.0, 1.5], [9 / 4, 1.5, 9 / 4]]
    )
    torch.testing.assert_close(raw, expected)
    top = ndam_map(feature, 0.0, 1.0, normalize='none')
    torch.testing.assert_close(top, torch.full((1, 1, 3, 3), 9.0))


@pytest.mark.parametrize('mode', ['weight', 'match'])
def test_gradients(mode):
    """The student's gradient is autograd's; the teacher gets none."""
    s, t = pair((2, 3, 4, 4), seed=3)
    s.requires_grad_()
    t.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: ndam_loss(x, t.detach(), mode=mode), (s,)
    )
    assert torch.autograd.gradcheck(
        lambda x: local_feature_loss(x, t.detach()), (s,)
    )
    (ndam_loss(s, t, mode=mode) + local_feature_loss(s, t)).backward()
    assert s.grad.abs().sum() > 0
    assert t.grad is None


def test_dead_map_has_uniform_weight():
    """Where no channel is active, every position weighs alike."""
    weight = ndam_map(-torch.ones(2, 3, 4, 4))
    torch.testing.assert_close(weight, torch.ones(2, 1, 4, 4))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype):
    s = torch.full((8, 64, 32, 32), 8.0, dtype=dtype)
    t = torch.full((8, 64, 32, 32), -8.0, dtype=dtype)
    loss = LocalFeatureLoss(normalize='none', reduction='instance')(s, t)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(256 * 64 * 32 * 32)  # > 65504
    assert NDAMLoss()(s, t).isfinite()


@pytest.mark.parametrize(
    'loss, options, message',
    [
        (NDAMLoss, dict(kernel_size=4), 'odd kernel_size.*4'),
        (NDAMLoss, dict(kernel_size=True), 'odd kernel_size.*True'),
        (NDAMLoss, dict(alpha=-1, beta=-1), 'alpha=-1; .* at least 0'),
        (NDAMLoss, dict(alpha=0, beta=0), 'both are 0'),
        (NDAMLoss, dict(mode='weigh'), "mode='weigh'.*'weight', 'match'"),
        (NDAMLoss, dict(normalize='l2'), "normalize='l2'"),
        (NDAMLoss, dict(mode='match', kernel_size=None), 'compare nothing'),
        (NDAMLoss, dict(activation='gelu'), "activation='gelu'"),
        (LocalFeatureLoss, dict(reduction='mean'), "reduction='mean'"),
        (LocalFeatureLoss, dict(normalize='std'), "normalize='std'"),
    ],
)
def test_wrong_options_are_refused(loss, options, message):
    with pytest.raises(SettingError, match=message):
        loss(**options)


@pytest.mark.parametrize('images', [8, 256])
def test_parts_of_a_map_elsewhere_than_on_a_cpu(images):
    """Few launches for a small map, little memory for a large one."""
    feature = torch.empty(
        (images, 64, 56, 56), dtype=torch.bfloat16, device='meta'
    )
    parts = list(chunks(feature))
    assert sum(map(len, parts)) == images
    assert max(part.numel() for part in parts) <= LARGE_PART
    assert all(part.dtype == torch.float32 for part in parts)
    assert len(parts) == {8: 2, 256: 13}[images]
