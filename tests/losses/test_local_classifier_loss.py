"""The local classifier's loss against a slow float64 version."""

import pytest
import slow_losses
import torch
from mmpretrain.structures import DataSample

from mmrazor_lakd import SettingError
from mmrazor_lakd.losses import LocalClassifierLoss

ACTIVATIONS = dict(
    relu=lambda value: value * (value > 0), abs=abs, none=lambda value: value
)


def slow_loss(feature, weight, bias, t_logits, targets, options):
    """w (w_label CE(z, y) + w_kd T^2 KL(z_T || z)), image by image.

    Args:
        targets (list[list[float]]): Each image's probabilities of the
            classes.
    """
    activate = ACTIVATIONS[options['activation']]
    count, channels, height, width = feature.shape
    cross_entropy, logits = 0.0, []
    for n in range(count):
        pooled = [
            sum(
                activate(feature[n, c, y, x])
                for y in range(height)
                for x in range(width)
            )
            / (height * width)
            for c in range(channels)
        ]
        row = [
            sum(w * v for w, v in zip(weight[k], pooled)) + bias[k]
            for k in range(len(bias))
        ]
        chances = slow_losses.softmax(row, 1.0)
        for target, chance in zip(targets[n], chances):
            cross_entropy = cross_entropy - target * torch.log(chance) / count
        logits.append(row)
    kd = slow_losses.kd(logits, t_logits, options['tau'])
    return options['loss_weight'] * (
        options['label_weight'] * cross_entropy + options['kd_weight'] * kd
    )


def slow_convolution(feature, weight, norm):
    """3 x 3, stride 2, a border of zeros; then what the batch is normed to.

    Args:
        feature (Tensor): (N, C, H, W).
        weight (Tensor): Of the convolution, (C', C, 3, 3).
        norm (nn.BatchNorm2d): Its weight, bias and eps are used.
    """
    count, _, height, width = feature.shape
    padded = torch.nn.functional.pad(feature, (1, 1, 1, 1))
    rows = [
        (kernel * padded[n, :, y : y + 3, x : x + 3]).sum()
        for n in range(count)
        for kernel in weight
        for y in range(0, height, 2)
        for x in range(0, width, 2)
    ]
    size = (height + 1) // 2, (width + 1) // 2
    values = torch.stack(rows).view(count, len(weight), *size)
    normed = []
    for k in range(len(weight)):
        channel = values[:, k]
        square = ((channel - channel.mean()) ** 2).mean()
        scale = norm.weight[k] / (square + norm.eps) ** 0.5
        normed.append((channel - channel.mean()) * scale + norm.bias[k])
    return torch.stack(normed, 1)


def make_case(soft=False, seed=0):
    """A map, the teacher's logits, data samples and their probabilities."""
    generator = torch.Generator().manual_seed(seed)
    feature, t_logits, scores = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((3, 4, 2, 5), (3, 6), (3, 6))
    )
    labels = [2, 0, 5]
    if soft:
        targets = scores.softmax(1)
        samples = [DataSample().set_gt_score(score) for score in targets]
        return feature, t_logits, samples, targets.tolist()
    samples = [DataSample().set_gt_label(label) for label in labels]
    targets = [[float(k == label) for k in range(6)] for label in labels]
    return feature, t_logits, samples, targets


@pytest.mark.parametrize('activation', ['relu', 'abs', 'none'])
@pytest.mark.parametrize('soft', [False, True])
@pytest.mark.parametrize(
    'label_weight, kd_weight, tau, loss_weight',
    [(0.1, 0.9, 4.0, 1.0), (1.0, 0.0, 1.0, 0.5), (0.0, 2.0, 3.0, 2.0)],
)
def test_values_and_gradients(
    activation, soft, label_weight, kd_weight, tau, loss_weight
):
    feature, t_logits, samples, targets = make_case(soft)
    options = dict(
        label_weight=label_weight,
        kd_weight=kd_weight,
        tau=tau,
        activation=activation,
        loss_weight=loss_weight,
    )
    torch.manual_seed(0)
    loss = LocalClassifierLoss(4, 6, **options).double()
    feature.requires_grad_()
    inputs = [feature, loss.fc.weight, loss.fc.bias]
    actual = loss(feature, t_logits, samples)
    expected = slow_loss(*inputs, t_logits, targets, options)
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=0)
    for ours, slow in zip(
        torch.autograd.grad(actual, inputs),
        torch.autograd.grad(expected, inputs),
    ):
        torch.testing.assert_close(ours, slow, rtol=1e-9, atol=1e-14)


def test_one_convolution_and_two_layers():
    """The head 1c2f, layer by layer; its second layer is the plain one's."""
    feature, t_logits, samples, targets = make_case()
    options = dict(label_weight=1.0, kd_weight=0.5, tau=4.0, loss_weight=2.0)
    torch.manual_seed(0)
    loss = LocalClassifierLoss(4, 6, layers='1c2f', **options).double()
    feature.requires_grad_()
    conv, norm, _ = loss.conv
    first, _, second = loss.fc
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    assert (conv.out_channels, first.out_features) == (8, 128)
    actual = loss(feature, t_logits, samples)
    positive = feature * (feature > 0)
    maps = slow_convolution(positive, conv.weight, norm)
    pooled = (maps * (maps > 0)).flatten(2).mean(2)
    hidden = torch.stack(
        [
            torch.stack([(row * w).sum() + b for w, b in zip(*layer(first))])
            for row in pooled
        ]
    )
    expected = slow_loss(
        hidden[..., None, None], *layer(second), t_logits, targets,
        dict(options, activation='relu'),
    )  # fmt: skip
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=0)
    inputs = [feature, *loss.parameters()]
    for ours, slow in zip(
        torch.autograd.grad(actual, inputs),
        torch.autograd.grad(expected, inputs),
    ):
        torch.testing.assert_close(ours, slow, rtol=1e-8, atol=1e-12)


def layer(linear):
    """The weight and bias of a linear layer."""
    return linear.weight, linear.bias


def test_a_head_by_hand():
    # One pixel: the centre's weights 2 and -1 give 6 and -3 of 3, and of 1
    # 2 and -1. Normed over the two images: 1, -1 and -1, 1 (but for eps),
    # after ReLU (1, 0) and (0, 1). Both layers are the identity on the first
    # two of their features: logits (1, 0), (0, 1). Labels 0: ln(1 + 1/e) and
    # ln(1 + e) = 0.313262 and 1.313262, mean 0.813262.
    loss = LocalClassifierLoss(1, 2, 1.0, 0.0, layers='1c2f').double()
    with torch.no_grad():
        loss.conv[0].weight[:, 0, 1, 1] = torch.tensor([2.0, -1.0])
        for linear in (loss.fc[0], loss.fc[2]):
            torch.nn.init.eye_(linear.weight)
            linear.bias.zero_()
    feature = torch.tensor([3.0, 1.0]).double().view(2, 1, 1, 1)
    samples = [DataSample().set_gt_label(0) for _ in range(2)]
    value = loss(feature, torch.zeros(2, 2), samples).item()
    assert value == pytest.approx(0.813262, abs=1e-5)


def test_defaults_are_those_of_the_head():
    loss = LocalClassifierLoss(4, 6)
    assert (loss.label_weight, loss.kd_weight, loss.kd.tau) == (0.1, 0.9, 4)
    assert (loss.loss_weight, loss.activation) == (1.0, 'relu')


def test_half_precision_logits_are_compared_in_float32():
    """A student that nearly agrees: in bfloat16, KD may be negative."""
    feature, t_logits, samples, _ = make_case()
    loss = LocalClassifierLoss(4, 6, label_weight=0.0, kd_weight=1.0)
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        logits = loss.fc(feature.float().relu().mean((2, 3)))
        close = logits.float() + 3e-2 * t_logits.float()
        actual = loss(feature.float(), close, samples)
    assert actual.dtype == torch.float32
    expected = slow_losses.kd(logits.double(), close.double(), 4.0)
    assert actual.item() == pytest.approx(expected.item(), rel=1e-2)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(label_weight=-1.0), 'label_weight=-1.0'),
        (dict(kd_weight=float('nan')), 'kd_weight=nan'),
        (dict(label_weight=0.0, kd_weight=0.0), 'kd_weight above 0'),
        (dict(activation='gelu'), "no activation='gelu'"),
        (
            dict(layers='2c1f'),
            "no layers='2c1f'; choose one of '0c1f', '1c2f'",
        ),
        (dict(num_classes=None), 'write num_classes=10'),
    ],
)
def test_nonsense_is_refused(options, message):
    with pytest.raises(SettingError, match=message):
        LocalClassifierLoss(4, **dict(dict(num_classes=6), **options))


def labelled(**labels):
    """Data samples of three images, from lists of what is set of each."""
    samples = [DataSample() for _ in range(3)]
    for kind, values in labels.items():
        for sample, value in zip(samples, values):
            getattr(sample, f'set_gt_{kind}')(value)
    return samples


ONE_HOT = torch.eye(6, dtype=torch.int64)[[2, 0, 5]]


def test_one_hot_labels_are_labels():
    """Integers as well, which mmpretrain's to_onehot makes."""
    feature, t_logits, samples, _ = make_case()
    loss = LocalClassifierLoss(4, 6).double()
    expected = loss(feature, t_logits, samples)
    for labels in (dict(score=ONE_HOT), dict(score=ONE_HOT, label=[2, 0, 5])):
        actual = loss(feature, t_logits, labelled(**labels))
        torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize(
    'labels, message',
    [
        (dict(label=[2, [0, 1], 5]), 'image 1 of a batch has 2; '),
        (dict(score=ONE_HOT + ONE_HOT.flip(1)), 'image 0 of a batch has 2.0'),
        (dict(label=[1, 1, []]), 'image 2 of a batch has none; '),
        ({}, 'image 0 of a batch has none; .*label_weight=0.0'),
    ],
)
def test_images_without_one_label(labels, message):
    feature, t_logits, _, _ = make_case()
    samples = labelled(**labels)
    loss = LocalClassifierLoss(4, 6).double()
    with pytest.raises(SettingError, match=message):
        loss(feature, t_logits, samples)
    unlabelled = LocalClassifierLoss(4, 6, label_weight=0.0).double()
    assert unlabelled(feature, t_logits, samples) > 0


def test_logits_of_other_classes_are_not_looked_at_without_kd():
    feature, t_logits, samples, _ = make_case()
    loss = LocalClassifierLoss(4, 6, label_weight=1.0, kd_weight=0.0).double()
    expected = loss(feature, t_logits, samples)
    assert torch.equal(loss(feature, t_logits[:, :3], samples), expected)
