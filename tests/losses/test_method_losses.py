"""The literature's losses: formulas, gradients, figures by hand, precision."""

import math

import pytest
import slow_losses as slow
import torch
from conftest import ROOT, classifier
from mmengine.config import Config
from mmrazor.registry import MODELS

from mmrazor_lakd import SettingError
from mmrazor_lakd.losses import (
    AttentionTransferLoss,
    ClassAttentionLoss,
    CorrelationCongruenceLoss,
    DecoupledKDLoss,
    HierarchicalContextLoss,
    LocalFeatureLoss,
    LogitsKDLoss,
    MultiLevelKDLoss,
    NeuronSelectivityLoss,
    PartialSquareLoss,
    ProbabilisticTransferLoss,
    RefinedLogitsLoss,
    RelationalAngleLoss,
    RelationalDistanceLoss,
    RepresentationMatchingLoss,
    ReusedClassifierLoss,
    ScaleDecoupledDKDLoss,
    ScaleDecoupledKDLoss,
    SimilarityPreservingLoss,
    SoftmaxRegressionLoss,
    StrongerTeacherLoss,
    TeacherMatchingLoss,
    VariationalInformationLoss,
    WassersteinFeatureLoss,
    WassersteinLogitsLoss,
    cka_costs,
    class_costs,
    cosine_decay_factor,
)

LABELS = torch.tensor([1, 0, 3, 2, 1])
# A classifier of four classes over maps of three channels.
WEIGHT = torch.tensor(
    [[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0.5, -1]], dtype=torch.float64
)
BIAS = torch.tensor([0.0, 0.25, 0.0, -0.5], dtype=torch.float64)
VARIANCES = torch.tensor([0.5, 1.0, 5.0]).double()
VIEWS = torch.tensor([1, 0, 3, 1, 0, 3])  # of three images
MARGINS = [-0.8, -0.3, 0.0]


def margin_loss(s, t):
    """OFD on a teacher's map behind its margins, as MarginConnector's."""
    margins = torch.tensor(MARGINS).to(t).view(1, -1, 1, 1)
    return PartialSquareLoss(loss_weight=0.5)(s, torch.maximum(t, margins))


def classified(feature):
    """A map with the classifier above, in its precision."""
    return feature, WEIGHT.to(feature), BIAS.to(feature)


# name: shape of the inputs, our loss, the slow one


def stages(f):
    """Maps of several sizes, a tall and a wide one among them."""
    return [f, f[..., :2, :2], f[..., :1, :1], f[..., :3], f[..., :2, :]]


LOSSES = dict(
    kd=(
        (5, 4),
        LogitsKDLoss(tau=4.0, loss_weight=0.9),
        lambda s, t: 0.9 * slow.kd(s, t, 4.0),
    ),
    kd_standardized=(
        (5, 4),
        LogitsKDLoss(2.0, loss_weight=9.0, standardize='paper'),
        lambda s, t: 9 * slow.kd(slow.standardize(s), slow.standardize(t), 2),
    ),
    kd_standardized_as_in_code=(
        (5, 4),
        LogitsKDLoss(2.0, loss_weight=9.0, standardize='code'),
        lambda s, t: (
            9 * slow.kd(slow.standardize(s, 1), slow.standardize(t, 1), 2)
        ),
    ),
    dkd=(
        (5, 4),
        lambda s, t: DecoupledKDLoss(4.0, 0.7, 2.0, 1.5)(s, t, LABELS),
        lambda s, t: 1.5 * slow.dkd(s, t, LABELS, 4.0, 0.7, 2.0),
    ),
    dkd_standardized=(
        (5, 4),
        lambda s, t: DecoupledKDLoss(2.0, 0.7, 2.0, 9.0, standardize=True)(
            s, t, LABELS
        ),
        lambda s, t: (
            9.0
            * slow.dkd(
                slow.standardize(s), slow.standardize(t), LABELS, 2.0, 0.7, 2.0
            )
        ),
    ),
    rld=(
        (5, 4),
        lambda s, t: RefinedLogitsLoss(4.0, 0.7, 2.0, 1.5)(s, t, LABELS),
        lambda s, t: 1.5 * slow.rld(s, t, LABELS, 4.0, 0.7, 2.0),
    ),
    kd_scales=(
        (5, 3, 4, 4),
        lambda s, t: ScaleDecoupledKDLoss((1, 2, 4), tau=3.0, loss_weight=0.9)(
            *classified(s), *classified(t), LABELS
        ),
        lambda s, t: (
            0.9
            * slow.scale_decoupled(
                classified(s),
                classified(t),
                LABELS,
                (1, 2, 4),
                lambda s, t, label: slow.kd(s, t, 3.0),
            )
        ),
    ),
    dkd_scales=(
        (5, 3, 4, 4),
        lambda s, t: ScaleDecoupledDKDLoss(tau=4.0, beta=2.0)(
            *classified(s), *classified(t), LABELS
        ),
        lambda s, t: slow.scale_decoupled(
            classified(s),
            classified(t),
            LABELS,
            (1, 2),
            lambda s, t, label: slow.dkd(s, t, label, 4.0, 1.0, 2.0),
        ),
    ),
    wkd_logits=(
        (5, 4),
        lambda s, t: WassersteinLogitsLoss(4.0, sharpen=0.0, loss_weight=9.0)(
            s, t, WEIGHT.to(t), LABELS
        ),
        lambda s, t: slow.wkd_logits(
            s, t, LABELS, class_costs(WEIGHT), 4.0, 9.0
        ),
    ),
    wkd_features=(
        (2, 3, 4, 6),
        WassersteinFeatureLoss(4.0, loss_weight=0.08),
        lambda s, t: 0.08 * slow.wkd_features(s, t, 4.0, 1),
    ),
    wkd_features_of_cells=(
        (2, 3, 4, 6),
        WassersteinFeatureLoss(3.0, grid=2),
        lambda s, t: slow.wkd_features(s, t, 3.0, 2),
    ),
    wttm=(
        (5, 4),
        TeacherMatchingLoss(0.3, loss_weight=1.5),
        lambda s, t: 1.5 * slow.wttm(s, t, 0.3),
    ),
    ttm=(
        (5, 4),
        TeacherMatchingLoss(0.3, weighted=False, loss_weight=7.0),
        lambda s, t: 7 * slow.wttm(s, t, 0.3, weighted=False),
    ),
    mlkd=(
        (6, 4),
        lambda s, t: MultiLevelKDLoss()(s, t, VIEWS),
        lambda s, t: 0.9 * slow.mlkd(s, t, (2, 3, 4, 5, 6), 'code'),
    ),
    mlkd_of_the_paper=(
        (6, 4),
        lambda s, t: MultiLevelKDLoss((1.0, 6.0), 'paper', 2.0)(s, t, VIEWS),
        lambda s, t: 2 * slow.mlkd(s, t, (1, 6), 'paper'),
    ),
    mlkd_of_few_classes=(
        (6, 4),
        lambda s, t: MultiLevelKDLoss(class_weight=0.3)(s, t, VIEWS),
        lambda s, t: 0.9 * slow.mlkd(s, t, (2, 3, 4, 5, 6), 'code', 0.3),
    ),
    dist=(
        (5, 4),
        StrongerTeacherLoss(0.7, 1.3, 4.0, 2.0),
        lambda s, t: 2.0 * slow.dist(s, t, 0.7, 1.3, 4.0),
    ),
    at=(
        (2, 3, 4, 5),
        AttentionTransferLoss(1000.0),
        lambda s, t: 1000 * slow.at(s, t, 2),
    ),
    at_cubic=(
        (2, 3, 4, 5),
        AttentionTransferLoss(7.0, p=3),
        lambda s, t: 7 * slow.at(s, t, 3),
    ),
    rkd_distance=(
        (5, 6),
        RelationalDistanceLoss(),
        lambda s, t: 25 * slow.rkd_distance(s, t),
    ),
    rkd_angle=(
        (5, 6),
        RelationalAngleLoss(),
        lambda s, t: 50 * slow.rkd_angle(s, t),
    ),
    sp=(
        (5, 2, 3, 2),
        SimilarityPreservingLoss(),
        lambda s, t: 3000 * slow.sp(s, t),
    ),
    pkt=(
        (5, 6),
        ProbabilisticTransferLoss(),
        lambda s, t: 30000 * slow.pkt(s, t),
    ),
    srrl=(
        (2, 3, 4, 5),
        lambda s, t: SoftmaxRegressionLoss(0.7, 1.3, 2.0)(
            s, t, WEIGHT.to(s), BIAS.to(s)
        ),
        lambda s, t: 2 * slow.srrl(s, t, WEIGHT, BIAS, 0.7, 1.3),
    ),
    cc=(
        (5, 6),
        CorrelationCongruenceLoss(loss_weight=0.5),
        lambda s, t: 0.5 * slow.cc(s, t),
    ),
    cc_as_in_paper=(
        (5, 6),
        CorrelationCongruenceLoss('paper', 0.4, 3, loss_weight=100.0),
        lambda s, t: 100 * slow.cc_of_paper(s, t, 0.4, 3),
    ),
    nst=(
        (2, 3, 4, 2),
        NeuronSelectivityLoss(50.0),
        lambda s, t: 50 * slow.nst(s, t),
    ),
    nst_of_more_channels_than_pixels=(
        (2, 6, 2, 2),
        NeuronSelectivityLoss(50.0),
        lambda s, t: 50 * slow.nst(s, t),
    ),
    vid=(
        (2, 3, 4, 2),
        lambda s, t: VariationalInformationLoss(0.7)(
            (s, VARIANCES.to(s.dtype)), t
        ),
        lambda s, t: 0.7 * slow.vid(s, VARIANCES, t),
    ),
    cat=(
        (2, 3, 4, 6),
        lambda s, t: ClassAttentionLoss(2, False, 1.5)(
            s, t, WEIGHT.to(s), WEIGHT.to(s)
        ),
        lambda s, t: 1.5 * slow.cat(s, t, WEIGHT, 2, False),
    ),
    cat_normalized=(
        (2, 3, 4, 4),
        lambda s, t: ClassAttentionLoss(4)(s, t, WEIGHT.to(s), WEIGHT.to(s)),
        lambda s, t: slow.cat(s, t, WEIGHT, 4, True),
    ),
    simkd=(
        (2, 3, 4, 6),
        ReusedClassifierLoss(1.5),
        lambda s, t: 1.5 * slow.simkd(s, t),
    ),
    norm=(
        (2, 3, 4, 6),
        lambda s, t: RepresentationMatchingLoss(1.5)(s.repeat(1, 2, 1, 1), t),
        lambda s, t: 1.5 * slow.norm(torch.cat([s, s], 1), t),
    ),
    review=(
        (2, 3, 8, 8),
        lambda s, t: HierarchicalContextLoss(0.6)(stages(s), stages(t)),
        lambda s, t: 0.6 * slow.review(stages(s), stages(t)),
    ),
    hint=(
        (2, 3, 4, 5),
        LocalFeatureLoss(100.0, normalize='none'),
        lambda s, t: 100 * slow.square_error(s, t),
    ),
    ofd=(
        (2, 3, 4, 5),
        margin_loss,
        lambda s, t: 0.5e-3 * slow.ofd(s, t, MARGINS),
    ),
)


def pair(shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [
        2 * torch.randn(shape, generator=generator, dtype=dtype)
        for _ in range(2)
    ]


@pytest.mark.parametrize('seed', [0, 1])
@pytest.mark.parametrize('name', LOSSES)
def test_value_and_gradient_are_the_formula(name, seed):
    shape, loss, slow_loss = LOSSES[name]
    results = []
    for function in (loss, slow_loss):
        s, t = pair(shape, seed)
        s.requires_grad_()
        value = function(s, t)
        (grad,) = torch.autograd.grad(value, s)
        results.append((value.detach(), grad))
    assert results[0][0] > 0
    # DIST adds 1e-8 to a denominator
    rtol = 1e-5 if name == 'dist' else 1e-9
    torch.testing.assert_close(*results, rtol=rtol, atol=1e-9)


# CC's teacher has an embedding that is trained.
@pytest.mark.parametrize(
    'name', [name for name in LOSSES if not name.startswith('cc')]
)
def test_the_teacher_gets_no_gradient(name):
    shape, loss, _ = LOSSES[name]
    s, t = pair(shape)
    s.requires_grad_()
    t.requires_grad_()
    loss(s, t).backward()
    assert s.grad.abs().sum() > 0
    assert t.grad is None


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('autocast', [False, True])
@pytest.mark.parametrize('name', LOSSES)
def test_half_precision(name, dtype, autocast):
    """Close to float64 of the same inputs, where they nearly agree, too."""
    shape, loss, _ = LOSSES[name]
    noise, t = pair(shape, seed=3, dtype=torch.float32)
    s = (t + 0.1 * noise).to(dtype)
    t = t.to(dtype)
    expected = loss(s.double(), t.double()).item()
    s.requires_grad_()
    with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
        value = loss(s, t)
    value.backward()
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected, rel=1e-3)
    assert s.grad.isfinite().all()


@pytest.mark.parametrize('name', ['at', 'hint', 'nst', 'ofd', 'review'])
def test_large_activations_do_not_overflow_float16(name):
    shape, loss, _ = LOSSES[name]
    s, t = ((300 * f).half() for f in pair(shape, dtype=torch.float32))
    assert (s.abs() > 256).any()  # whose square float16 can't hold
    expected = loss(s.double(), t.double()).item()
    assert loss(s, t).item() == pytest.approx(expected, rel=1e-3)


def test_channels_last():
    s, t = pair((2, 3, 4, 4))
    for name in ('at', 'hint', 'review'):
        loss = LOSSES[name][1]
        if name == 'review':
            loss = HierarchicalContextLoss(0.6)
        args = [s, t] if name != 'review' else [[s], [t]]
        expected = loss(*args)
        args = [
            f.to(memory_format=torch.channels_last)
            if torch.is_tensor(f)
            else [f[0].to(memory_format=torch.channels_last)]
            for f in args
        ]
        torch.testing.assert_close(loss(*args), expected)


def test_kd_by_hand():
    # T 2: p_T = (3/4, 1/4), p_S = (1/2, 1/2)
    # KL = 3/4 ln(3/2) + 1/4 ln(1/2) = 0.304099 - 0.173287 = 0.130812
    # times T^2 = 4: 0.523248
    t = torch.tensor([[2 * math.log(3), 0.0]])
    loss = LogitsKDLoss(tau=2.0)
    assert loss(torch.zeros(1, 2), t).item() == pytest.approx(
        0.523248, abs=1e-6
    )
    # the mean over images: a second one that agrees halves it
    t = torch.cat([t, torch.zeros(1, 2)])
    assert loss(torch.zeros(2, 2), t).item() == pytest.approx(
        0.261624, abs=1e-6
    )


def test_standardized_kd_by_hand():
    # Variances 6 and 0.02 / 3: the scores are sqrt(3/2) (1, -1, 0) and its
    # negative; over T = sqrt(3/2): 1, -1, 0. p_S = (e, 1/e, 1) / 4.086161,
    # p_T with the first two swapped. KL is their difference, 2.350402 /
    # 4.086161 = 0.575211, times that of the logits, 2; times T^2: 1.725632
    s = torch.tensor([[8.0, 2.0, 5.0]]).double()
    t = torch.tensor([[-0.1, 0.1, 0.0]]).double()
    loss = LogitsKDLoss(tau=1.5**0.5, standardize='paper')
    # the 1e-5 in the variance lowers the teacher's scores, by 0.08 %
    assert loss(s, t).item() == pytest.approx(1.725632, rel=2e-3)
    assert loss(s, 100 * t).item() == pytest.approx(1.725632, rel=1e-5)
    # Over K - 1 = 2, the scores are +-1 and 0.
    loss = LogitsKDLoss(tau=1.0, standardize='code')
    value = loss(s, 100 * t).item()
    assert value == pytest.approx(1.725632 / 1.5, rel=1e-5)


def test_dkd_by_hand():
    # p_T = (1/2, 1/3, 1/6), p_S = (1/3, 1/3, 1/3), target 0
    # TCKD: (1/2, 1/2) to (1/3, 2/3): 1/2 ln(3/2) + 1/2 ln(3/4) = 0.058892
    # NCKD: (2/3, 1/3) to (1/2, 1/2): 2/3 ln(4/3) + 1/3 ln(2/3) = 0.056633
    # alpha 1, beta 2: 0.172158
    t = torch.tensor([[3.0, 2.0, 1.0]]).log()
    loss = DecoupledKDLoss(tau=1.0, alpha=1.0, beta=2.0)
    value = loss(torch.zeros(1, 3), t, torch.tensor([0]))
    assert value.item() == pytest.approx(0.172158, abs=1e-6)
    # a mean over the images, whatever their number
    value = loss(torch.zeros(7, 3), t.expand(7, 3), torch.zeros(7).long())
    assert value.item() == pytest.approx(0.172158, abs=1e-6)


def test_rld_by_hand():
    # p_T = (0.4, 0.3, 0.2, 0.1), p_S = 1/4 each, target 1
    # confidence: (0.4, 0.6) to (1/4, 3/4): 0.4 ln 1.6 + 0.6 ln 0.8 = 0.054116
    # others, 2 and 3 alone: (2/3, 1/3) to (1/2, 1/2) = 0.056633
    t = torch.tensor([[4.0, 3.0, 2.0, 1.0]]).log()
    s = torch.zeros(1, 4, requires_grad=True)
    loss = RefinedLogitsLoss(tau=1.0, alpha=1.0, beta=2.0)
    value = loss(s, t, torch.tensor([1]))
    assert value.item() == pytest.approx(0.167382, abs=1e-6)
    # nothing is below the last
    value = loss(s, t, torch.tensor([3]))
    assert value.item() == pytest.approx(0.054116, abs=1e-6)
    assert torch.autograd.grad(value, s)[0].isfinite().all()
    # of a teacher that is right it is DKD
    value = loss(s, t, torch.tensor([0]))
    dkd = DecoupledKDLoss(tau=1.0, beta=2.0)(s, t, torch.tensor([0]))
    torch.testing.assert_close(value, dkd)


def test_scales_by_hand():
    # Two channels are the two logits, of cells (2 ln 3, 0) above and (0, 0) to
    # the left below, (-2 ln 3, 0) to the right; the whole map has (ln 3 / 2,
    # 0). T 2, a student of zeros: 0.523248 of the cells but the third, which
    # has 0. The whole: p = 3^(1/4) / (1 + 3^(1/4)) = 0.568235, 0.431765, KL
    # 4 (0.568235 ln 1.136470 + 0.431765 ln 0.863530) = 0.037364. The teacher
    # is right for class 0 but in the fourth cell, which counts twice:
    # (0.037364 + 4 x 0.523248) / 5 = 0.426071
    t = torch.zeros(1, 2, 2, 2)
    t[0, 0] = torch.tensor([[2.0, 2.0], [0.0, -2.0]]) * math.log(3)
    one = (torch.eye(2), torch.zeros(2))
    s = torch.zeros(1, 2, 2, 2)
    loss = ScaleDecoupledKDLoss(tau=2.0)
    value = loss(s, *one, t, *one, torch.tensor([0]))
    assert value.item() == pytest.approx(0.426071, abs=1e-6)
    # class 1: wrong for the whole, right in the fourth cell
    value = loss(s, *one, t, *one, torch.tensor([1]))
    assert value.item() == pytest.approx(0.426071, abs=1e-6)
    # one grid is KD
    loss = ScaleDecoupledKDLoss((1,), tau=2.0)
    value = loss(s, *one, t, *one, torch.tensor([1]))
    kd = LogitsKDLoss(2.0)(s.mean((2, 3)), t.mean((2, 3)))
    torch.testing.assert_close(value, kd)


def test_wkd_logits_by_hand():
    # Two classes beside the target, equal ones: their weights are at a cosine
    # of 1 - ln 2, so that K = ((1, 1/2), (1/2, 1)) at lambda 1; u and v stay
    # 1/2 and 2/3, the flow between them is 1/6 each way: ln 2 / 3 = 0.231049
    cosine = 1 - math.log(2)
    weight = torch.tensor(
        [[0.0, 1.0], [1.0, 0.0], [cosine, math.sqrt(1 - cosine**2)]]
    )
    label = torch.tensor([0])
    logits = torch.zeros(1, 3)
    loss = WassersteinLogitsLoss(1.0, 1.0, sharpen=0.0, target_weight=0.0)
    value = loss(logits, logits, weight, label).item()
    assert value == pytest.approx(0.231049, abs=1e-6)
    # the target alone: 1/3 ln 3
    loss = WassersteinLogitsLoss(loss_weight=0.0)
    value = loss(logits, logits, weight, label).item()
    assert value == pytest.approx(math.log(3) / 3, abs=1e-6)
    # with little entropy, the cost of moving 1/4 by 0.1
    weight = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.9, 0.19**0.5]]).double()
    s, t = torch.zeros(1, 3), torch.tensor([[0.0, math.log(3), 0.0]])
    loss = WassersteinLogitsLoss(1.0, 0.01, 1000, None, 0.0, 0.0)
    value = loss(s.double(), t.double(), weight, label).item()
    assert value == pytest.approx(0.025, rel=1e-2)


def test_wkd_costs_from_a_file(tmp_path):
    s, t = pair((5, 4))
    plain = WassersteinLogitsLoss()
    path = tmp_path / 'costs.pth'
    torch.save(class_costs(WEIGHT), path)
    loss = WassersteinLogitsLoss(cost_matrix=str(path))
    value = loss(s, t, 7 * torch.eye(4), LABELS)
    torch.testing.assert_close(value, plain(s, t, WEIGHT, LABELS))
    assert not loss.state_dict()
    with pytest.raises(SettingError, match=r'\(4, 4\) for 6 classes'):
        loss(torch.zeros(5, 6), torch.zeros(5, 6), torch.eye(6), LABELS)
    for name in ('absent.pth', 'costs.txt'):
        (tmp_path / 'costs.txt').write_text('1 0\n0 1\n')
        loss = WassersteinLogitsLoss(cost_matrix=str(tmp_path / name))
        with pytest.raises(SettingError, match=f'{name}.*torch.save'):
            loss(s, t, WEIGHT, LABELS)


@pytest.mark.parametrize(
    'place, value, words',
    [
        ((1, 2), math.nan, 'NaN or infinity'),
        ((0, 0), math.inf, 'NaN or infinity'),
        ((3, 3), -0.1, 'below 0'),
        ((1, 2), 2.5, 'in one direction'),
    ],
)
def test_wkd_costs_that_are_no_distances(tmp_path, place, value, words):
    costs = class_costs(WEIGHT)
    costs[place] = value
    torch.save(costs, tmp_path / 'costs.pth')
    loss = WassersteinLogitsLoss(cost_matrix=str(tmp_path / 'costs.pth'))
    with pytest.raises(SettingError, match=f'costs.pth.*holds.*{words}'):
        loss.read_files()


def test_a_training_reads_the_costs_and_testing_does_not(batch):
    """Before its first step, by FrozenTeacherDistill."""
    block = Config.fromfile(ROOT / 'configs/_base_/distillers/wkd_l.py')
    distiller = block.wkd_l_distiller.to_dict()
    distiller['distill_losses']['loss_wkd']['cost_matrix'] = 'absent.pth'
    model = MODELS.build(
        dict(
            _scope_='mmrazor',
            type='FrozenTeacherDistill',
            architecture=classifier(8),
            teacher=classifier(14),
            distiller=distiller,
        )
    )
    assert len(model.eval()(*batch, mode='predict')) == len(batch[0])
    with pytest.raises(SettingError, match='absent.pth'):
        model.init_weights()


def test_cka_of_classes():
    """||Y^T X||^2 over the norms of X^T X and Y^T Y, of centred features."""
    features = torch.randn(
        3, 7, 4, generator=torch.Generator().manual_seed(0)
    ).double()
    costs = cka_costs(features)
    centred = features - features.mean(1, keepdim=True)
    for i, x in enumerate(centred):
        for j, y in enumerate(centred):
            norms = (x.t() @ x).norm() * (y.t() @ y).norm()
            expected = 1 - (y.t() @ x).norm() ** 2 / norms
            torch.testing.assert_close(costs[i, j], expected)
    # turned, scaled and shifted features are as near as equal ones
    turn, _ = torch.linalg.qr(features[0][:4])
    same = torch.stack([features[0], 3 * features[0] @ turn + 1])
    torch.testing.assert_close(cka_costs(same), torch.zeros(2, 2).double())
    features[1] = 0.1
    with pytest.raises(SettingError, match='rows are all equal in class 1'):
        cka_costs(features)


def test_wkd_features_by_hand():
    # means 2 and 1, deviations sqrt 2 and 0 (and 1e-5 in the variances):
    # 3 (2 - 1)^2 + 2 = 5, less 2 sqrt(2e-5)
    s = torch.tensor([1.0, 3.0]).view(1, 1, 1, 2)
    t = torch.ones(1, 1, 1, 2)
    value = WassersteinFeatureLoss(3.0)(s, t).item()
    assert value == pytest.approx(5 - 2 * math.sqrt(2e-5), abs=1e-4)
    # cells of one pixel have their value alone: 3 (0 + 4) / 2
    value = WassersteinFeatureLoss(3.0, grid=2)(
        s.expand(1, 1, 2, 2), t.expand(1, 1, 2, 2)
    )
    assert value.item() == pytest.approx(6.0)


@pytest.mark.parametrize(
    'progress, factor',
    [
        (dict(), 1.0),
        (dict(iter=9, epoch=149, max_epochs=240), 1.0),
        (dict(iter=9, epoch=194, max_epochs=240), 0.5),
        (dict(iter=9, epoch=239, max_epochs=240), 0.0),
        (dict(iter=4, epoch=0, max_epochs=1, max_iters=8), 1.0),
        (dict(iter=7, epoch=0, max_epochs=1, max_iters=8), 0.0),
    ],
)
def test_a_cosine_decay(progress, factor):
    value = cosine_decay_factor(progress, 0.625)
    assert value == pytest.approx(factor, abs=1e-9)


def test_wttm_by_hand():
    # gamma 1/2: p = (9/10, 1/10), its roots (3, 1) / sqrt 10, U = 4 / sqrt 10
    # = 1.264911, p_T = (3/4, 1/4); KL to (1/2, 1/2) as in KD's: 0.130812
    t = torch.tensor([[2 * math.log(3), 0.0]])
    s = torch.zeros(1, 2)
    loss = TeacherMatchingLoss(0.5, weighted=False)
    assert loss(s, t).item() == pytest.approx(0.130812, abs=1e-6)
    loss = TeacherMatchingLoss(0.5)
    assert loss(s, t).item() == pytest.approx(0.165466, abs=1e-6)
    # a certain teacher has U = 1, another sqrt 2
    t = torch.tensor([[500.0, 0.0], [0.0, 0.0]])
    s = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])
    # ln 2, and sqrt 2 (1/2 ln(2/3) + 1/2 ln 2) = 0.203422
    assert loss(s, t).item() == pytest.approx(
        (0.693147 + 0.203422) / 2, abs=1e-6
    )


def test_mlkd_by_hand():
    # T 1, one image of two views. Weak: p_T = (3/4, 1/4), p_S = (1/2, 1/2):
    # KL 0.130812; P P^T: 5/8 and 1/2, (1/8)^2 = 0.015625; P^T P: 9/16, 3/16,
    # 3/16, 1/16 to 1/4: (25 + 1 + 1 + 9) / 256 / 2 = 0.070313. Strong: p_T is
    # p_S, 0. The median of one is the one: all images; one class of two.
    t = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
    s, labels = torch.zeros(2, 2), torch.tensor([1, 1])
    loss = MultiLevelKDLoss([1.0], 'paper', 1.0)
    value = loss(s, t, labels).item()
    assert value == pytest.approx(0.216750, abs=1e-6)
    loss = MultiLevelKDLoss([1.0], 'code', 1.0)
    value = loss(s, t, labels).item()
    assert value == pytest.approx(0.130812 + 0.015625 + 0.035156, abs=1e-6)
    # The strong view alone differs: of the code, its images at T 1.
    value = loss(s, t.flip(0), labels).item()
    assert value == pytest.approx(0.130812, abs=1e-6)
    loss = MultiLevelKDLoss([2.0, 6.0], 'code', 1.0)
    assert loss(s, t.flip(0), labels).item() == pytest.approx(0, abs=1e-6)


def test_dkd_of_equal_terms_is_kd():
    """KD = TCKD + (1 - p_target of the teacher) NCKD, equation 6."""
    s, t = pair((1, 5))
    label = torch.tensor([2])
    rest = 1 - (t / 3).softmax(1)[0, 2].item()
    whole = DecoupledKDLoss(tau=3.0, beta=rest)(s, t, label)
    torch.testing.assert_close(whole, LogitsKDLoss(tau=3.0)(s, t))


@pytest.mark.parametrize('mode', [True, 'paper', 'code'])
@pytest.mark.parametrize('type', [DecoupledKDLoss, LogitsKDLoss])
def test_standardized_losses_know_no_scale(type, mode):
    s, t = pair((5, 4))
    labels = [LABELS] if type is DecoupledKDLoss else []
    plain = type(2.0)
    loss = type(2.0, standardize=mode)
    value = loss(s, t, *labels)
    torch.testing.assert_close(
        loss(3 * s + 1, 5 * t - 2, *labels), value, rtol=1e-3, atol=0
    )
    assert not torch.isclose(plain(s, 5 * t, *labels), plain(s, t, *labels))
    # logits that are all the same, as of a head of zeros
    zeros = torch.zeros(5, 4, requires_grad=True)
    (grad,) = torch.autograd.grad(loss(zeros, t, *labels), zeros)
    assert grad.isfinite().all()


def test_at_by_hand():
    # student: F = (1, 0), Q = (1, 0); teacher: F = (4, 4), Q = (1, 1) / sqrt 2
    # ((1 - 0.707107)^2 + 0.707107^2) / 2 = 0.585786 / 2 = 0.292893
    s = torch.tensor([1.0, 0.0, -1.0, 0.0]).view(1, 2, 1, 2)
    t = torch.tensor([2.0, -2.0, 2.0, 2.0]).view(1, 2, 1, 2)
    loss = AttentionTransferLoss(1000.0)
    assert loss(s, t).item() == pytest.approx(292.893, abs=1e-3)


def test_at_keeps_no_copy_of_a_map():
    s = torch.randn(2, 64, 8, 8, dtype=torch.bfloat16, requires_grad=True)
    kept = []

    def note(tensor):
        if tensor.data_ptr() != s.data_ptr():
            kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        AttentionTransferLoss()(s, torch.randn(2, 64, 8, 8))
    assert max(kept) == 2 * 8 * 8  # attention maps


@pytest.mark.parametrize(
    'loss', [AttentionTransferLoss(), NeuronSelectivityLoss()]
)
def test_the_larger_map_is_pooled(loss):
    s, t = pair((2, 3, 8, 6))
    small = t[..., :4, :3]
    cells = s.unflatten(2, (4, 2)).unflatten(4, (3, 2)).mean((3, 5))
    torch.testing.assert_close(loss(s, small), loss(cells, small))
    torch.testing.assert_close(loss(small, s), loss(small, cells))


def test_rkd_by_hand():
    # teacher: sides 3, 4, 5, mean 4: 0.75, 1, 1.25
    # student: sides 1, 2, 1, mean 4/3: 0.75, 1.5, 0.75
    # Huber of 0, 0.5, 0.5: 0.125 twice; two orders each, over 9: 0.5 / 9
    t = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    s = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    value = RelationalDistanceLoss(25.0)(s, t).item()
    assert value == pytest.approx(25 * 0.5 / 9, rel=1e-6)
    # cosines of the teacher: 0, 0.6, 0.8; of the student: 1, -1, 1
    # Huber of 1, 1.6, 0.2: 0.5 + 1.1 + 0.02 = 1.62, twice, over 27: 0.12
    value = RelationalAngleLoss(50.0)(s, t).item()
    assert value == pytest.approx(6.0, rel=1e-6)


def test_similarities_by_hand():
    # student: G = ((1, 0), (0, 1)); teacher: ((4, 4), (4, 4)), rows of
    # (1, 1) / sqrt 2: 2 ((1 - 0.707107)^2 + 0.707107^2) / 4 = 0.292893
    s = torch.eye(2)
    t = torch.full((2, 1), 2.0)
    loss = SimilarityPreservingLoss(1000.0)
    assert loss(s, t).item() == pytest.approx(292.893, abs=1e-3)
    # teacher: K = 1, p = (1/2, 1/2); student: K = 1 and 1/2, p = (2/3, 1/3)
    # KL = 1/2 ln(3/4) + 1/2 ln(3/2) = 0.058892 of both rows, over 4: 0.029446
    loss = ProbabilisticTransferLoss(1000.0)
    assert loss(s, t).item() == pytest.approx(29.446, abs=1e-3)


def test_srrl_by_hand():
    # h_S = (2, 1), h_T = (1, 0): 1; W (h_S - h_T) = (3, 0): 9 / 2
    s = torch.tensor([1.0, 3.0, 0.0, 2.0]).view(1, 2, 1, 2)
    t = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    weight, bias = torch.tensor([[1.0, 2.0], [1.0, -1.0]]), torch.ones(2)
    for alpha, beta, expected in ((1, 0, 1.0), (0, 1, 4.5), (2, 3, 15.5)):
        loss = SoftmaxRegressionLoss(alpha, beta)
        assert loss(s, t, weight, bias).item() == pytest.approx(expected)
        assert loss(s, t, weight).item() == pytest.approx(expected)


def test_cc_by_hand():
    # differences (1, 2), (3, 0), (1, 1): 3 and 3, mean 3
    s = torch.tensor([[1.0, 0.0], [0.0, 5.0], [1.0, 1.0]])
    t = torch.tensor([[0.0, 2.0], [3.0, 5.0], [0.0, 0.0]])
    loss = CorrelationCongruenceLoss(loss_weight=0.5)
    assert loss(s, t).item() == pytest.approx(1.5)
    # 2 gamma = 1, order 1: e^-1 (1 + cos); cosines 0 and 1 of the two images:
    # 2 e^-2 / 4 = 0.0676676
    loss = CorrelationCongruenceLoss('paper', gamma=0.5, order=1)
    value = loss(torch.eye(2), torch.ones(2, 2)).item()
    assert value == pytest.approx(0.0676676, abs=1e-6)
    # of a high order it is a Gaussian's
    s, t = pair((5, 6))
    loss = CorrelationCongruenceLoss('paper', gamma=0.5, order=20)
    kernels = (
        torch.exp(-0.5 * torch.cdist(x, x).square())
        for x in (f / f.norm(dim=1, keepdim=True) for f in (s, t))
    )
    expected = torch.nn.functional.mse_loss(*kernels)
    torch.testing.assert_close(loss(s, t), expected)


def test_nst_by_hand():
    # the student's channels (1, 0) and (0, 1): k is 1, 0, 0, 1, mean 1/2; the
    # teacher's (1, 1) / sqrt 2: k is 1; k of both 1/2: 1/2 + 1 - 2/2 = 1/2
    s = torch.tensor([3.0, 0.0, 0.0, 5.0]).view(1, 2, 1, 2)
    t = torch.full((1, 1, 1, 2), 7.0)
    loss = NeuronSelectivityLoss(50.0)
    assert loss(s, t).item() == pytest.approx(25.0)
    # a channel that is off: k is 1, 0, 0, 0; of both 1/2 and 0
    s = torch.tensor([3.0, 0.0, 0.0, 0.0]).view(1, 2, 1, 2)
    assert loss(s, t).item() == pytest.approx(50 * (0.25 + 1 - 0.5))


def test_vid_by_hand():
    # squares 4 and 0, variance 2: (ln 2 + 2 / 2) / 2 = 0.846574; squares 1
    # and 1, variance 1: (0 + 1) / 2 = 0.5; their mean: 0.673287
    mean = torch.tensor([[2.0, 0.0], [1.0, 1.0]]).view(1, 2, 1, 2)
    loss = VariationalInformationLoss()
    value = loss((mean, torch.tensor([2.0, 1.0])), torch.zeros(1, 2, 1, 2))
    assert value.item() == pytest.approx(0.673287, abs=1e-6)
    # a teacher's map of 2 x 4, whose cells' means are 0
    t = torch.tensor([1.0, -1.0]).repeat(2, 4).view(1, 2, 2, 4)
    value = loss((mean, torch.tensor([2.0, 1.0])), t)
    assert value.item() == pytest.approx(0.673287, abs=1e-6)


def test_cat_by_hand():
    # of one class, w = (1, 2): the student's map is (1 + 6, 3 - 2) = (7, 1),
    # the teacher's, of w = (2), (6, 0): ((7 - 6)^2 + (1 - 0)^2) / 2 = 1
    s = torch.tensor([1.0, 3.0, 3.0, -1.0]).view(1, 2, 1, 2)
    t = torch.tensor([3.0, 0.0]).view(1, 1, 1, 2)
    weights = torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0]])
    # two columns, and each row twice, as the map has one
    loss = ClassAttentionLoss(2, normalize=False)
    assert loss(s, t, *weights).item() == pytest.approx(1.0)
    # pooled to a single cell: 4 and 3
    loss = ClassAttentionLoss(1, normalize=False, loss_weight=5.0)
    assert loss(s, t, *weights).item() == pytest.approx(5.0)
    # unit vectors: (7, 1, 7, 1) / 10 and (1, 0, 1, 0) / sqrt 2, whose product
    # is 14 / (10 sqrt 2) = 0.989949: 2 (1 - 0.989949) / 4 = 0.005025
    loss = ClassAttentionLoss(2)
    assert loss(s, t, *weights).item() == pytest.approx(0.005025, abs=1e-6)


def test_cat_teaches_the_students_classifier_alone():
    s, t = pair((1, 3, 2, 2), dtype=torch.float32)
    weights = WEIGHT.clone().requires_grad_(), WEIGHT.clone().requires_grad_()
    ClassAttentionLoss()(s, t, *weights).backward()
    assert weights[0].grad.abs().sum() > 0 and weights[1].grad is None
    with pytest.raises(SettingError, match='4 classes and the student 3'):
        ClassAttentionLoss()(s, t, WEIGHT[:3], WEIGHT)


def test_a_larger_map_is_pooled():
    s, t = pair((2, 6, 4, 6))
    s, t = s[..., :2, :3], t[:, :3]
    for loss, expected in (
        (ReusedClassifierLoss(), slow.simkd(s[:, :3], t)),
        (RepresentationMatchingLoss(), slow.norm(s, t)),
    ):
        student = s[:, :3] if isinstance(loss, ReusedClassifierLoss) else s
        torch.testing.assert_close(loss(student, t), expected)


def test_simkd_by_hand():
    # the teacher's 2 x 2 map is pooled to (2, 6): (2 - 1)^2 + (6 - 3)^2 = 10
    s = torch.tensor([1.0, 3.0]).view(1, 1, 1, 2)
    t = torch.tensor([1.0, 5.0, 3.0, 7.0]).view(1, 1, 2, 2)
    assert ReusedClassifierLoss(2.0)(s, t).item() == pytest.approx(10.0)
    with pytest.raises(SettingError, match='map of 2x2 is larger .* of 1x2'):
        ReusedClassifierLoss()(t, s)


def test_norm_by_hand():
    # the largest of the teacher's map is 3; parts 1 and 5: 4 + 4 = 8
    s = torch.tensor([1.0, 5.0]).view(1, 2, 1, 1)
    t = torch.tensor([3.0, -9.0]).view(1, 1, 1, 2)
    assert RepresentationMatchingLoss(2.0)(s, t).item() == pytest.approx(16.0)
    for other in (s[..., :1, :1].expand(1, 2, 2, 2), s):
        width = 1 if other is not s else 3
        with pytest.raises(SettingError, match=f'teacher_channels={width} in'):
            RepresentationMatchingLoss()(other, t.expand(1, width, 1, 2))


def test_review_by_hand():
    # 2 x 2 map: (1 + 9 + 25 + 49) / 4 = 21; its mean 4, squared 16, half 8
    # (21 + 8) / 1.5 = 19.333; 1 x 1 map: 4; sum 23.333; times 0.6: 14
    t = torch.tensor([1.0, 3.0, 5.0, 7.0]).view(1, 1, 2, 2)
    t_maps = [t, torch.full((1, 1, 1, 1), 2.0)]
    s_maps = [torch.zeros_like(item) for item in t_maps]
    value = HierarchicalContextLoss(0.6)(s_maps, t_maps).item()
    assert value == pytest.approx(14.0, rel=1e-6)


def test_equal_outputs_cost_nothing():
    for name, (shape, loss, _) in LOSSES.items():
        s, _ = pair(shape)
        if name == 'ofd':  # whose teacher's map is cut off
            s = s.abs()
        # DIST adds 1e-8 to a denominator; WTTM's student has no temperature,
        # a certain prediction of VID's has a likelihood above 1, and a
        # teacher that is wrong isn't equal to RLD's student; WKD-L has a
        # cross-entropy, and an entropy
        if name not in ('wttm', 'ttm', 'vid', 'rld', 'wkd_logits'):
            assert loss(s, s).item() == pytest.approx(0, abs=1e-4)


def test_one_image():
    """An epoch's last batch may have one image, which lies to no other."""
    for loss in (
        RelationalDistanceLoss(),
        RelationalAngleLoss(),
        SimilarityPreservingLoss(),
        CorrelationCongruenceLoss(),
    ):
        s, t = pair((1, 6))
        s.requires_grad_()
        value = loss(s, t)
        value.backward()
        assert value == 0
        assert (s.grad == 0).all()
    assert ProbabilisticTransferLoss()(s, t) == 0


def test_dkd_of_confident_models():
    s = torch.tensor([[500.0, 0.0, 1.0]], requires_grad=True)
    t = torch.tensor([[0.0, 500.0, 0.0]])
    for logits, label in ((s.detach(), 0), (t, 0), (t, 1)):
        for kind in (DecoupledKDLoss, RefinedLogitsLoss):
            value = kind(1.0, 1.0, 2.0)(s, logits, torch.tensor([label]))
            (grad,) = torch.autograd.grad(value, s)
            assert value.isfinite()
            assert grad.isfinite().all()
    # all of p_T is on class 1, none of p_S: ln p_S of "not 0" is -499 or so
    value = DecoupledKDLoss(1.0, 1.0, 0.0)(s, t, torch.tensor([0]))
    assert value.item() == pytest.approx(500 - math.log(1 + math.e), rel=1e-6)


@pytest.mark.parametrize(
    'make, message',
    [
        (lambda: DecoupledKDLoss(tau=0), 'tau=0'),
        (lambda: DecoupledKDLoss(beta=-1.0), 'beta=-1.0'),
        (lambda: DecoupledKDLoss(standardize='z'), "'z'.* True, 'paper', 'co"),
        (lambda: TeacherMatchingLoss(gamma=0), 'gamma=0'),
        (lambda: ScaleDecoupledKDLoss((2, 4)), r'scales=\(2, 4\);.*1, 2, 4'),
        (lambda: ScaleDecoupledDKDLoss(tau=0), 'tau=0'),
        (lambda: ScaleDecoupledKDLoss(reduction='sum'), "reduction='sum'"),
        (
            lambda: ScaleDecoupledDKDLoss(complementary_weight=-1),
            'complementary_weight=-1;',
        ),
        (lambda: WassersteinLogitsLoss(regularization=0), 'ization=0;'),
        (lambda: WassersteinLogitsLoss(iterations=0), 'iterations=0;'),
        (lambda: WassersteinLogitsLoss(decay_from=1.0), 'decay_from=1.0;'),
        (lambda: WassersteinFeatureLoss(decay_from=-1), 'decay_from=-1;'),
        (lambda: WassersteinFeatureLoss(grid=0), 'grid=0;'),
        (lambda: CorrelationCongruenceLoss('mine'), "'code', 'paper'"),
        (lambda: CorrelationCongruenceLoss(gamma=0), 'gamma=0'),
        (lambda: CorrelationCongruenceLoss(order=0), 'order=0'),
        (lambda: MultiLevelKDLoss([4.0, 0]), 'taus=0'),
        (lambda: MultiLevelKDLoss(None), 'taus=None'),
        (lambda: MultiLevelKDLoss(class_weight=-1), 'class_weight=-1'),
        (lambda: MultiLevelKDLoss(mode='both'), "'both'.*'paper', 'code'"),
        (
            lambda: MultiLevelKDLoss()(
                torch.zeros(5, 4), torch.zeros(5, 4), LABELS
            ),
            'two views of each image.*mlkd.py',
        ),
        (lambda: LogitsKDLoss(standardize='z'), "'z'.* True, 'paper', 'code'"),
        (lambda: AttentionTransferLoss(p=0.5), 'p=0.5'),
        (
            lambda: DecoupledKDLoss()(
                torch.zeros(2, 3), torch.zeros(2, 3), torch.eye(3)[:2]
            ),
            r'\(2, 3\).*Mixup',
        ),
        (
            lambda: HierarchicalContextLoss()(
                [torch.zeros(1, 2, 4, 4)], [torch.zeros(1, 3, 4, 4)]
            ),
            r'\(1, 2, 4, 4\).*\(1, 3, 4, 4\).*ReviewConnector',
        ),
    ],
)
def test_nonsense_is_refused(make, message):
    with pytest.raises(SettingError, match=message):
        make()
