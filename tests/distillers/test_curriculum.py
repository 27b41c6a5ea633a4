"""What changes in a training: which modules are open, what they are fed."""

import copy
import time
from fractions import Fraction

import pytest
import torch
from conftest import LOCAL_MODULES, LOGITS_KD, classifier, lakd, total
from mmengine.logging import MessageHub

from mmrazor_lakd import SettingError
from mmrazor_lakd.distillers.curriculum import opening

HALF = dict(fraction=0.5)


@pytest.fixture
def hub():
    """The state of a training of 16 iterations, of which 6 are over."""
    found = MessageHub.get_instance(f'curriculum_{time.monotonic_ns()}')
    found.update_info_dict(dict(iter=6, max_iters=16, epoch=0, max_epochs=2))
    yield found
    # the newest hub is the current one: leave none with a training in it
    MessageHub.get_instance(f'no_training_{time.monotonic_ns()}')


def slow_openings(progress, count):
    """Each module's weight: how much of its own part is over."""
    weights = []
    for index in range(count):
        begin, end = Fraction(index, count), Fraction(index + 1, count)
        over = (Fraction(progress) - begin) / (end - begin)
        weights.append(float(min(max(over, 0), 1)))
    return weights


@pytest.mark.parametrize('count', [1, 2, 3, 5])
def test_weights_grow_one_after_another(count):
    for step in range(33):
        progress = step / 32
        weights = [opening(progress, i, count) for i in range(count)]
        expected = slow_openings(progress, count)
        assert weights == pytest.approx(expected, abs=1e-12)
    assert weights == [1.0] * count


def gradients(model, batch):
    model.zero_grad()
    losses = model(batch[0].double(), batch[1], mode='loss')
    total(losses).backward()
    return losses, {
        name: param.grad.clone() for name, param in model.named_parameters()
    }


@pytest.mark.parametrize('early', [True, False])
@pytest.mark.parametrize(
    'iteration, weights', [(0, (0.25, 0)), (6, (1, 0.75)), (15, (1, 1))]
)
def test_gradients_are_weighted(build, batch, hub, early, iteration, weights):
    """Half of 16 iterations: 4 for each of two modules."""
    hub.update_info('iter', iteration)
    options = dict(LOGITS_KD, early_backward=early)
    model = build(lakd(progressive=HALF, **options)).double()
    plain = build(lakd(**options)).double()
    losses, actual = gradients(model, batch)
    constant, expected = gradients(plain, batch)
    for number, weight in enumerate(weights, 1):
        name = f'distill.module{number}'
        assert losses[f'{name}.open'].item() == weight
        assert f'{name}.open' not in constant
        for kind in ('feature', 'attention'):
            key = f'{name}.{kind}'
            assert losses[key].item() == constant[key].item()
        value = weight * constant[f'{name}.loss']
        torch.testing.assert_close(losses[f'{name}.loss'], value)
    assert set(actual) == set(expected)  # zeros, where DDP waits for one
    for name, grad in expected.items():
        stage = name.split('layer')[1][0] if 'layer' in name else '1'
        weight = (
            1 if 'head' in name or stage == '3' else weights[int(stage) - 1]
        )
        error = (actual[name] - weight * grad).norm()
        assert error <= 1e-12 * grad.norm(), name


def fed_by_hand(model, images, share):
    """What each stage gets and the logits, one layer after another.

    The shares mix what is before the last ReLU of stages 1 and 2.
    """
    maps, hooks = [], []
    for stage in (1, 2):
        module = model.teacher.get_submodule(f'backbone.layer{stage}.preact')
        hooks.append(
            module.register_forward_hook(lambda m, i, o: maps.append(o))
        )
    with torch.no_grad():
        model.teacher(images)
    for hook in hooks:
        hook.remove()
    net = copy.deepcopy(model.student)
    for module in net.modules():
        module._forward_hooks.clear()
    x, inputs = net.backbone.stem(images), []
    for stage in (1, 2):
        inputs.append(x)
        before = net.backbone.get_submodule(f'layer{stage}')[:-1](x)
        mixed = share * before.detach() + (1 - share) * maps[stage - 1]
        x = mixed * (mixed > 0)
    inputs.append(x)
    logits = net.head.fc(net.backbone.layer3(x).mean((2, 3)))
    return inputs, logits, net


@pytest.mark.parametrize('early', [True, False])
@pytest.mark.parametrize(
    'feed, share',
    [('student', 1), ('teacher', 0), (dict(fraction=1.0), 7 / 16)],
)
def test_modules_are_fed(build, batch, hub, early, feed, share):
    """The mixture is before the ReLU, which acts on it."""
    model = build(lakd(feed=feed, early_backward=early)).double()
    images, samples = batch[0].double(), batch[1]
    inputs, logits, net = fed_by_hand(model, images, share)
    taken = []
    for stage in (1, 2, 3):
        model.student.get_submodule(
            f'backbone.layer{stage}.0'
        ).register_forward_pre_hook(lambda m, x: taken.append(x[0]))
    losses, actual = gradients(model, batch)
    # the last three: an image was tried before the step
    for ours, expected in zip(taken[-3:], inputs):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)
    assert ('distill.student_share' in losses) == (feed != 'student')
    if feed != 'student':
        assert losses['distill.student_share'].item() == share
    # the last module's gradients, from the labels
    labels = torch.cat([sample.gt_label for sample in samples])
    torch.nn.functional.cross_entropy(logits, labels).backward()
    for name, param in net.named_parameters():
        if 'layer3' in name or 'head' in name:
            torch.testing.assert_close(
                actual[f'architecture.{name}'], param.grad,
                rtol=1e-8, atol=1e-12,
            )  # fmt: skip
    for recorder in model.distiller.teacher_recorders.recorders.values():
        assert recorder.data_buffer == []


def test_blockwise_distillation_is_of_blocks_on_their_own(build, batch, hub):
    """Each learns a map of the teacher's from the one before it."""
    entries = [
        dict(student=name, teacher=name)
        for name in (f'backbone.layer{stage}.preact' for stage in (1, 2, 3))
    ]
    model = build(
        lakd(
            entries,
            attention_loss=None,
            feed='teacher',
            local_phase=HALF,
            **LOGITS_KD,
        )
    ).double()
    images, samples = batch[0].double(), batch[1]
    net, teacher = copy.deepcopy(model.student), model.teacher
    for module in net.modules():
        module._forward_hooks.clear()
    with torch.no_grad():
        x = teacher.backbone.stem(images)
        maps = []
        for stage in (1, 2, 3):
            layer = teacher.backbone.get_submodule(f'layer{stage}')
            maps.append(layer[:-1](x))
            x = maps[-1].relu()
        t_logits = teacher.head.fc(x.mean((2, 3)))
    x, module_losses = net.backbone.stem(images), []
    for number, t_map in enumerate(maps, 1):
        block = net.backbone.get_submodule(f'layer{number}')
        square = ((block[:-1](x) - t_map) ** 2).mean()
        variance = ((t_map - t_map.mean()) ** 2).mean() + 1e-6
        module_losses.append(square / variance)
        x = t_map.relu()
    logits = net.head.fc(x.mean((2, 3)))
    labels = torch.cat([sample.gt_label for sample in samples])
    p_t, p_s = (t_logits / 4).softmax(1), (logits / 4).log_softmax(1)
    summed = sum(module_losses)
    summed = summed + torch.nn.functional.cross_entropy(logits, labels)
    summed = summed + 16 * (p_t * (p_t.log() - p_s)).sum(1).mean()
    names, parameters = zip(*net.named_parameters())
    expected = torch.autograd.grad(summed, parameters)
    losses, actual = gradients(model, batch)
    assert losses['distill.local_phase'] == 1
    for number, loss in enumerate(module_losses, 1):
        ours = losses[f'distill.module{number}.loss']
        torch.testing.assert_close(ours.detach(), loss.detach())
    for name, grad in zip(names, expected):
        torch.testing.assert_close(
            actual[f'architecture.{name}'], grad, rtol=1e-7, atol=1e-9
        )


@pytest.mark.parametrize(
    ('length', 'iteration', 'is_local'),
    [
        (HALF, 7, True),
        (HALF, 8, False),
        (dict(iters=8), 8, False),
        (dict(epochs=1), 7, True),
        (dict(epochs=1), 8, False),
        (dict(fraction=1), 15, True),
    ],
)
def test_a_local_phase_ends(build, batch, hub, length, iteration, is_local):
    """Then the student learns from logits and labels, as a whole."""
    hub.update_info_dict(dict(iter=iteration, epoch=iteration // 8))
    options = dict(feed='teacher', **LOGITS_KD)
    model = build(lakd(local_phase=length, **options)).double()
    plain = dict(type='ConfigurableDistiller', **LOGITS_KD)
    like = build(lakd(**options) if is_local else plain).double()
    losses, actual = gradients(model, batch)
    expected_losses, expected = gradients(like, batch)
    assert losses.pop('distill.local_phase') == is_local
    close = dict(rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(losses, expected_losses, **close)
    torch.testing.assert_close(actual, expected, **close)
    for recorder in model.distiller.teacher_recorders.recorders.values():
        assert recorder.data_buffer == []


def test_evaluation_feeds_the_students_own_maps(build, batch):
    models = [build(lakd(feed=feed)) for feed in ('teacher', 'student')]
    for model in models:
        model.eval()
    fed, own = [model(batch[0], mode='tensor') for model in models]
    assert torch.equal(fed, own)


@pytest.mark.parametrize('isolate', [True, False])
def test_fed_gradients_are_equal_early_and_summed(build, batch, hub, isolate):
    """A module without a map to learn may be fed one, too."""
    entries = [
        dict(LOCAL_MODULES[0], isolate=isolate),
        dict(LOCAL_MODULES[1], feature_loss=None, attention_loss=None),
    ]
    classifier_loss = dict(type='LocalClassifierLoss')
    found = []
    for early in (True, False):
        model = build(
            lakd(
                entries,
                feed=dict(fraction=1.0),
                progressive=HALF,
                classifier_loss=classifier_loss,
                early_backward=early,
            )
        )
        found.append(gradients(model.double(), batch)[1])
    for name, grad in found[1].items():
        error = (found[0][name] - grad).norm()
        assert error <= 1e-12 * grad.norm(), name


def test_a_mixture_is_the_students_own_in_the_end(build, batch, hub):
    hub.update_info('iter', 15)
    fed, own = [
        gradients(build(lakd(feed=feed)).double(), batch)[1]
        for feed in (dict(fraction=1.0), 'student')
    ]
    for name, grad in own.items():
        assert torch.equal(fed[name], grad), name


@pytest.mark.parametrize(
    'feed, message',
    [
        ('both', "no feed='both'; choose one of 'student', 'teacher'"),
        (dict(fraction=3), 'feed takes one positive length'),
        ('teacher', r'\[0\]: feed mixes.*is not the identity'),
    ],
)
def test_what_cannot_be_fed_is_refused(build, feed, message):
    with pytest.raises(SettingError, match=message):
        build(lakd(feed=feed), teacher=classifier('8x4', width=256))


def test_maps_of_another_size_cannot_be_fed(build):
    """Equal widths, and the connector is the identity."""
    entry = dict(student='backbone.layer1', teacher='backbone.layer1')
    teacher = classifier(8)
    teacher['backbone'] = dict(
        type='ResNet_CIFAR', depth=18, stem_channels=16, base_channels=16,
        strides=(2, 2, 2, 2),
    )  # fmt: skip
    teacher['head']['in_channels'] = 128
    with pytest.raises(SettingError, match=r'16, 16.*is the identity'):
        build(lakd([entry], feed='teacher'), teacher=teacher)


@pytest.mark.parametrize('option', ['feed', 'progressive', 'local_phase'])
def test_one_that_the_training_does_not_end_is_refused(
    build, batch, hub, option
):
    model = build(lakd(**{option: dict(iters=17)}))
    with pytest.raises(SettingError, match=f'{option} has iters=17.*after 16'):
        model(*batch, mode='loss')


@pytest.mark.parametrize('option', ['feed', 'progressive', 'local_phase'])
def test_one_without_a_boundary_is_refused(build, option):
    with pytest.raises(SettingError, match=f'{option}, but no boundary that'):
        build(lakd([], **{option: HALF}))


def test_an_opening_without_a_loss_is_refused(build):
    untaught = dict(feature_loss=None, attention_loss=None, isolate=False)
    with pytest.raises(SettingError, match='progressive, but no local module'):
        build(lakd(progressive=HALF, **untaught))


def test_outside_of_a_training_all_are_open(build, batch):
    MessageHub.get_instance(f'no_training_{time.monotonic_ns()}')
    losses = build(lakd(progressive=HALF))(*batch, mode='loss')
    assert losses['distill.module2.open'] == 1


@pytest.mark.parametrize(
    'progressive',
    [{}, True, 0.5, dict(fraction=2), dict(iters=3, epochs=3), dict(part=1)],
)
def test_nonsense_is_refused(build, progressive):
    with pytest.raises(SettingError, match='progressive takes one positive'):
        build(lakd(progressive=progressive))
