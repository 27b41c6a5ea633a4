"""CRD against the paper's formula, by hand, and beside MMRazor's."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmpretrain.datasets import BaseDataset
from mmpretrain.structures import DataSample
from mmrazor.datasets import CRDDataset
from mmrazor.datasets.transforms import PackCRDClsInputs
from mmrazor.models.losses import CRDLoss

from mmrazor_lakd import SettingError
from mmrazor_lakd.losses import ContrastiveLoss, contrastive_loss

TAU = 0.07


def samples(*indices):
    return [DataSample(metainfo=dict(sample_idx=i)) for i in indices]


def make(num_samples=40, num_negatives=12, classes=4, dim=6, **kwargs):
    loss = ContrastiveLoss(
        num_samples, num_negatives, dim=dim, seed=3, **kwargs
    ).double()
    loss.sampler.take_labels(torch.arange(num_samples) % classes)
    return loss


def embeddings(count, dim=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(count, dim, generator=generator, dtype=torch.float64)
        for _ in range(2)
    ]


def slow_side(anchors, positives, negatives, num_samples, scale=None):
    """One side from the definition of h, by loops.

    Args:
        anchors, positives: Lists of B vectors.
        negatives: A list of N vectors for each anchor.
        scale: Z, or None to estimate it.
    """

    def score(a, b):
        length = torch.sqrt(sum(x * x for x in a))
        return torch.exp(sum(x / length * y for x, y in zip(a, b)) / TAU)

    count = len(negatives[0])
    rows = [
        [score(anchor, row) for row in [positive, *others]]
        for anchor, positive, others in zip(anchors, positives, negatives)
    ]
    if scale is None:
        values = [value.item() for row in rows for value in row]
        scale = num_samples * sum(values) / len(values)
    total = 0
    for row in rows:
        h = [value / scale for value in row]
        h = [value / (value + count / num_samples) for value in h]
        total = total + torch.log(h[0])
        for value in h[1:]:
            total = total + torch.log(1 - value)
    return -total / len(rows), scale


def slow_loss(loss, student, teacher, indices, scales=(None, None)):
    """Both sides, with the negatives that the loss is about to draw."""
    pool, chosen = loss.sampler(torch.tensor(indices))
    values, found = [], []
    sides = (
        (student, loss.teacher_bank.rows, scales[0]),
        (teacher, loss.student_bank.rows, scales[1]),
    )
    for anchors, bank, scale in sides:
        negatives = [[bank[i] for i in pool[row]] for row in chosen]
        assert all(len(row) == 12 for row in negatives)
        positives = [bank[i] for i in indices]
        value, scale = slow_side(
            anchors, positives, negatives, len(bank), scale
        )
        values.append(value)
        found.append(scale)
    return loss.loss_weight * sum(values), found


def test_values_and_gradients_of_three_steps():
    """The first estimates Z, the others keep it; the banks move between."""
    loss = make(loss_weight=0.8)
    scales = (None, None)
    for step, indices in enumerate([(4, 9, 2), (9, 39, 0), (1, 2, 3)]):
        inputs = [e.requires_grad_() for e in embeddings(3, seed=step)]
        expected, scales = slow_loss(loss, *inputs, indices, scales)
        wanted = torch.autograd.grad(expected, inputs)
        found = loss(*inputs, samples(*indices))
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)
        for one, other in zip(torch.autograd.grad(found, inputs), wanted):
            assert other.abs().max() > 1e-3
            torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-8)
        assert loss.sampler.step == step + 1
    for bank, scale in zip((loss.teacher_bank, loss.student_bank), scales):
        assert math.isclose(bank.log_scale.exp(), scale, rel_tol=1e-9)


def test_gradcheck():
    anchors, positives = embeddings(4)
    pool, _ = embeddings(9, seed=1)
    chosen = torch.rand(4, 9, generator=torch.Generator().manual_seed(0)) < 0.5
    log_scale = torch.tensor(2.0, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda a: contrastive_loss(
            a, positives, pool, chosen, log_scale, 40, 5, 0.5
        ),
        anchors.requires_grad_(),
    )


def test_example_by_hand():
    """Unit vectors at 0, 60 and 90 degrees, temperature 1, Z = e, N/M = 1/2.

    The anchor (1, 0) has the score 1 with its positive and 1/2 and 0 with its
    negatives. Over Z: 1, e^-0.5 = 0.606531, e^-1 = 0.367879. So
    h = 1 / 1.5 = 0.666667; 0.606531 / 1.106531 = 0.548137;
    0.367879 / 0.867879 = 0.423883; and
    -log 0.666667 - log 0.451863 - log 0.576117
    = 0.405465 + 0.794376 + 0.551444 = 1.751285.
    """
    found = contrastive_loss(
        torch.tensor([[1.0, 0.0]]),
        torch.tensor([[1.0, 0.0]]),
        # the third is left out
        torch.tensor([[0.5, math.sqrt(0.75)], [0.0, 1.0], [-1.0, 0.0]]),
        torch.tensor([[True, True, False]]),
        torch.tensor(1.0),  # log e
        num_samples=4,
        num_negatives=2,
        temperature=1.0,
    )
    assert abs(found.item() - 1.751285) < 2e-6


def test_huge_scores_stay_finite():
    """exp(1 / 0.01) is far out of float32's range."""
    loss = make(temperature=0.01).float()
    inputs = [e.float().requires_grad_() for e in embeddings(3)]
    value = loss(*inputs, samples(1, 2, 3))
    value.backward()
    assert value.isfinite() and inputs[0].grad.isfinite().all()


def test_computed_in_float32_under_autocast():
    inputs = [e.float() for e in embeddings(3)]
    expected = make().float()(*inputs, samples(1, 2, 3))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = make().float()(*inputs, samples(1, 2, 3))
    assert found.dtype == torch.float32 and torch.equal(found, expected)


def test_nothing_moves_in_evaluation():
    loss = make()
    loss(*embeddings(3), samples(1, 2, 3))
    before = copy.deepcopy(loss.state_dict())
    loss.eval()(*embeddings(3, seed=1), samples(1, 2, 3))
    for name, value in loss.state_dict().items():
        assert torch.equal(value, before[name]), name


# ------------------------------------------------ MMRazor's CRDLoss beside it


def stock_and_ours(loss_weight):
    """Both on the same banks, samples and negatives; their values.

    Z is set first, from the same batch, by both.
    """
    ours = make(loss_weight=loss_weight).float()
    stock = CRDLoss(loss_weight, neg_num=12, sample_n=40, dim_out=6)
    stock.contrast.memory_v1.copy_(ours.student_bank.rows)
    stock.contrast.memory_v2.copy_(ours.teacher_bank.rows)
    indices = torch.tensor([4, 9, 2])
    pool, chosen = ours.sampler(indices)
    contrast = torch.stack([pool[row] for row in chosen])
    contrast = torch.cat([indices[:, None], contrast], 1)
    inputs = [F.normalize(e.float()).requires_grad_() for e in embeddings(3)]
    packed = [
        DataSample(metainfo=dict(sample_idx=i, contrast_sample_idxs=row))
        for i, row in zip(indices, contrast)
    ]
    values = (
        stock(*inputs, packed).squeeze(),
        ours(*inputs, samples(*indices.tolist())),
    )
    return stock, ours, values


def test_stock_value_is_ours_but_for_the_weight():
    _, _, (stock, ours) = stock_and_ours(1.0)
    torch.testing.assert_close(stock, ours, rtol=1e-4, atol=0)
    _, _, (unweighted, weighted) = stock_and_ours(0.8)
    assert torch.equal(unweighted, stock)  # the fault
    torch.testing.assert_close(weighted, 0.8 * ours)


def test_stock_banks_and_ours_move_alike():
    stock, ours, _ = stock_and_ours(1.0)
    for theirs, bank in (
        (stock.contrast.memory_v1, ours.student_bank),
        (stock.contrast.memory_v2, ours.teacher_bank),
    ):
        torch.testing.assert_close(theirs, bank.rows)


def test_stock_can_not_be_copied_and_ours_can():
    stock, ours, _ = stock_and_ours(1.0)
    with pytest.raises(RuntimeError, match='deepcopy'):
        copy.deepcopy(stock)
    assert all(b.grad_fn is None for b in ours.buffers())
    twin = copy.deepcopy(ours)
    value = twin(*embeddings(3, seed=1), samples(1, 2, 3))
    assert torch.equal(value, ours(*embeddings(3, seed=1), samples(1, 2, 3)))


def test_stock_sampling_lags_and_ours_moves():
    """'meta' is a device that every machine has."""
    stock = CRDLoss(neg_num=12, sample_n=40, dim_out=6).to('meta')
    assert stock.contrast.memory_v1.device.type == 'meta'
    assert stock.contrast.multinomial.prob.device.type == 'cpu'  # the fault
    ours = make().to('meta')
    assert {b.device.type for b in ours.buffers()} == {'meta'}


def test_stock_sampling_draws_every_class():
    """So also that of the image itself; test_negative_sampler.py has ours."""
    stock = CRDLoss(neg_num=12, sample_n=40, dim_out=6)
    drawn = stock.contrast.multinomial.draw(4000)
    assert set(drawn.tolist()) == set(range(40))


class TwelveLabels(BaseDataset):
    """Twelve samples of three classes, of four each."""

    def load_data_list(self):
        return [dict(gt_label=i % 3) for i in range(12)]


def test_stock_data_set_draws_from_the_state_of_the_worker():
    dataset = CRDDataset(TwelveLabels(''), neg_num=4, percent=1.0)
    np.random.seed(0)
    first, second = (
        dataset.get_data_info(5)['contrast_sample_idxs'].tolist()
        for _ in range(2)
    )
    assert first != second  # of one image: only the state has changed


def test_stock_packing_is_unavailable():
    with pytest.raises(ImportError, match='mmcls'):
        PackCRDClsInputs()


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (
            dict(num_negatives=40),
            'num_negatives=40; write an integer .* below 40',
        ),
        (dict(momentum=1.5), 'momentum=1.5.* at least 0 and below 1'),
        (dict(momentum=1), 'momentum=1;'),
        (dict(dim=0), 'dim=0; write an integer of at least 1'),
        (dict(loss_weight=math.nan), 'loss_weight=nan'),
        (dict(temperature=0), 'temperature=0; .* above 0'),
        (dict(num_negatives=31), 'num_negatives=31.*write.*=30 or less'),
    ],
)
def test_wrong_options(options, words):
    with pytest.raises(SettingError, match=words):
        make(**options)


def test_wrong_inputs():
    loss = make()
    with pytest.raises(SettingError, match='sample_idx.*meta_keys'):
        loss(*embeddings(2), [DataSample(), *samples(1)])
    with pytest.raises(SettingError, match=r'\(2, 5\).*dim_out=6'):
        loss(*embeddings(2, dim=5), samples(1, 2))
    unaware = ContrastiveLoss(40, 12, dim=6)
    with pytest.raises(SettingError, match='SampleLabelsHook'):
        unaware(*embeddings(2), samples(1, 2))


def test_mixed_images_are_refused():
    """A mixture is no image's own embedding, and of several classes."""
    loss, (student, teacher) = make(), embeddings(2)
    batch = samples(0, 1)
    for sample in batch:
        sample.set_gt_score(torch.eye(4)[0])  # of to_onehot=True alone
    loss(student, teacher, batch)
    batch[1].set_gt_score(torch.tensor([0.5, 0.5, 0.0, 0.0]))
    with pytest.raises(SettingError, match='without batch augmentation'):
        loss(student, teacher, batch)
