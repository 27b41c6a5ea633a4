"""What MMRazor's losses give where ours are right: why there are ours."""

import pytest
import torch
from mmengine.utils import digit_version
from mmrazor.models.losses import (
    AngleWiseRKD,
    ATLoss,
    DistanceWiseRKD,
    DISTLoss,
    DKDLoss,
    KLDivergence,
    L2Loss,
    OFDLoss,
)

from mmrazor_lakd.losses import (
    AttentionTransferLoss,
    DecoupledKDLoss,
    LocalFeatureLoss,
    LogitsKDLoss,
    PartialSquareLoss,
    RelationalAngleLoss,
    RelationalDistanceLoss,
    StrongerTeacherLoss,
)

has_half_on_cpu = pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version('2.1'),
    reason='PyTorch computes no float16 on a CPU yet',
)


def logits(seed=0):
    """A student and a teacher that nearly agree on 100 classes."""
    generator = torch.Generator().manual_seed(seed)
    t = 3 * torch.randn(64, 100, generator=generator)
    s = t + 0.1 * torch.randn(64, 100, generator=generator)
    return s, t


def error(loss, *inputs):
    """Relative error against float64 of the same inputs."""
    expected = loss(*(i.double() for i in inputs)).item()
    return abs(loss(*inputs).item() - expected) / abs(expected)


def test_dkd_sums_over_the_batch():
    s, t = logits()
    labels = torch.arange(64)
    kwargs = dict(tau=4.0, beta=2.0)
    right = DKDLoss(reduction='batchmean', **kwargs)(s, t, labels)
    shipped = DKDLoss(reduction='mean', **kwargs)(s, t, labels)
    torch.testing.assert_close(shipped, 64 * right, rtol=1e-4, atol=0)
    ours = DecoupledKDLoss(**kwargs)(s, t, labels)
    torch.testing.assert_close(ours, right, rtol=1e-3, atol=0)


def test_dkd_of_a_confident_student_is_nan():
    s = torch.tensor([[200.0, 0.0, 0.0]])
    label = torch.tensor([0])
    assert DKDLoss()(s, s, label).isnan()
    assert DecoupledKDLoss(1.0)(s, s, label) == 0


@pytest.mark.parametrize(
    'stock, ours',
    [
        (KLDivergence(tau=4.0), LogitsKDLoss(tau=4.0)),
        (DISTLoss(tau=4.0), StrongerTeacherLoss(tau=4.0)),
    ],
)
def test_logits_in_bfloat16(stock, ours):
    s, t = (f.bfloat16() for f in logits())
    assert error(stock, s, t) > 0.5
    assert error(ours, s, t) < 1e-3
    # as in a training on a CPU: the head gives bfloat16 under autocast
    with torch.autocast('cpu', torch.bfloat16):
        assert error(ours, s, t) < 1e-3


@has_half_on_cpu
def test_dist_of_equal_logits_in_float16_is_nan():
    z = torch.zeros(2, 4).half()
    assert DISTLoss()(z, z).isnan()
    assert StrongerTeacherLoss()(z, z).isfinite()


def features():
    """Pooled activations: all positive, of a common mean."""
    generator = torch.Generator().manual_seed(0)
    t = torch.randn(64, 64, generator=generator).relu() + 3
    return t + 0.3 * torch.randn(64, 64, generator=generator), t


def test_rkd_distances_under_autocast():
    s, t = features()
    stock = DistanceWiseRKD(with_l2_norm=False)
    ours = RelationalDistanceLoss()
    expected = ours(s.double(), t.double()).item()
    assert stock(s.double(), t.double()).item() == pytest.approx(expected)
    with torch.autocast('cpu', torch.bfloat16):
        assert abs(stock(s, t).item() / expected - 1) > 0.1
        assert ours(s, t).item() == pytest.approx(expected, rel=1e-4)


def test_rkd_normalises_unless_told_otherwise():
    s, t = features()
    s = s * torch.linspace(1, 3, 64).view(-1, 1)
    for stock, ours in (
        (DistanceWiseRKD, RelationalDistanceLoss),
        (AngleWiseRKD, RelationalAngleLoss),
    ):
        assert stock()(s, t).item() != pytest.approx(
            ours()(s, t).item(), rel=0.05
        )
        plain = stock(with_l2_norm=False)(s.double(), t.double())
        torch.testing.assert_close(plain, ours()(s.double(), t.double()))


def test_rkd_of_one_image_is_nan():
    s, t = features()
    assert DistanceWiseRKD()(s[:1], t[:1]).isnan()
    assert RelationalDistanceLoss()(s[:1], t[:1]) == 0


def test_rkd_gradient_of_equal_features():
    s, t = features()
    s[1] = s[0]
    s.requires_grad_()
    (stock,) = torch.autograd.grad(AngleWiseRKD(with_l2_norm=False)(s, t), s)
    (ours,) = torch.autograd.grad(RelationalAngleLoss()(s, t), s)
    assert stock.abs().max() > 1e6
    assert ours.abs().max() < 10


@has_half_on_cpu
def test_at_of_a_dead_map_in_float16_is_nan():
    s = torch.zeros(2, 4, 8, 8).half()
    t = torch.ones(2, 4, 8, 8).half()
    assert ATLoss()(s, t).isnan()
    assert AttentionTransferLoss()(s, t).isfinite()


def test_at_is_mmrazors_for_equal_sizes():
    generator = torch.Generator().manual_seed(0)
    s, t = torch.randn(2, 3, 5, 8, 8, generator=generator).double()
    torch.testing.assert_close(
        AttentionTransferLoss(9.0)(s, t), ATLoss(9.0)(s, t)
    )
    with pytest.raises(RuntimeError):
        ATLoss()(s, t[..., ::2, ::2])
    assert AttentionTransferLoss()(s, t[..., ::2, ::2]) > 0


def test_hints_default_to_normalised_maps():
    """FitNet's loss is the mean squared error; L2Loss has it as an option."""
    generator = torch.Generator().manual_seed(0)
    s, t = torch.randn(2, 3, 5, 8, 8, generator=generator).double()
    ours = LocalFeatureLoss(normalize='none')(s, t)
    torch.testing.assert_close(ours, torch.nn.functional.mse_loss(s, t))
    torch.testing.assert_close(
        L2Loss(normalize=False, div_element=True)(s, t), ours
    )
    # the same for a student of another scale
    torch.testing.assert_close(L2Loss()(3 * s, t), L2Loss()(s, t))
    assert LocalFeatureLoss(normalize='none')(3 * s, t) > 2 * ours


@has_half_on_cpu
def test_hints_overflow_float16():
    s = torch.full((8, 16, 32, 32), 20.0).half()
    t = torch.zeros_like(s)
    assert L2Loss(normalize=False, div_element=True)(s, t).isinf()
    assert LocalFeatureLoss(normalize='none')(s, t).item() == 400


@has_half_on_cpu
def test_ofd_overflows_float16():
    s = torch.full((2, 3, 4, 4), 300.0).half()
    t = torch.zeros_like(s)
    assert OFDLoss()(s, t).isinf()
    # 300^2 for each of 48 elements of an image, over 1000
    assert PartialSquareLoss()(s, t).item() == pytest.approx(4320)


def test_ofd_is_mmrazors_and_keeps_one_map():
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 3, 5, 8, 8, generator=generator, dtype=torch.float64)
    s, t = maps[0].requires_grad_(), maps[1]
    values, gradients, kept = [], [], []
    for loss in (PartialSquareLoss(0.5), OFDLoss(0.5)):
        kept.append(0)

        def count(tensor):
            kept[-1] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda x: x):
            values.append(loss(s, t))
        gradients += torch.autograd.grad(values[-1], s)
    torch.testing.assert_close(*values, rtol=1e-12, atol=0)
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=0)
    assert kept == [t.numel() + 1, 3 * t.numel()]  # a map and its weight
