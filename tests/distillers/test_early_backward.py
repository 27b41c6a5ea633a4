"""Gradients that are computed early equal those of one backward pass."""

import copy
import weakref

import pytest
import torch
from conftest import LOCAL_MODULES, LOGITS_KD, classifier, lakd, total
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import nn

from mmrazor_lakd import SettingError
from mmrazor_lakd.distillers.early_backward import EarlyBackward

BLOCKS = [
    dict(student=f'backbone.layer{s}.{b}', teacher=f'backbone.layer{s}.{b}')
    for s in (1, 2, 3)
    for b in (0, 1)
][:-1]
# A stock loss of MMRazor's that looks into the first module.
STOCK_FEATURE_LOSS = dict(
    student_recorders=dict(
        inner=dict(type='ModuleOutputs', source='backbone.layer1.0.bn1')
    ),
    teacher_recorders=dict(
        inner=dict(type='ModuleOutputs', source='backbone.layer1.0.bn1')
    ),
    distill_losses=dict(loss_inner=dict(type='L2Loss')),
    loss_forward_mappings=dict(
        loss_inner=dict(
            s_feature=dict(recorder='inner', from_student=True),
            t_feature=dict(recorder='inner', from_student=False),
        )
    ),
)


def resnet(**kwargs):
    """Config of mmpretrain's ResNet18 for CIFAR, 16 channels wide."""
    return dict(
        _scope_='mmpretrain',
        type='ImageClassifier',
        backbone=dict(
            type='ResNet_CIFAR',
            depth=18,
            stem_channels=16,
            base_channels=16,
            **kwargs,
        ),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=10, in_channels=128),
    )


STAGES = [
    dict(student=f'backbone.layer{s}', teacher=f'backbone.layer{s}')
    for s in (1, 2, 3)
]


def two_models(build, local_modules=LOCAL_MODULES, model=None, **kwargs):
    """Two equal models, with and without the early backward, in float64."""
    models = []
    for early in (True, False):
        distiller = lakd(local_modules, early_backward=early, **kwargs)
        models.append(build(distiller, **(model or {})).double())
    models[1].load_state_dict(models[0].state_dict())
    models[1].teacher.load_state_dict(models[0].teacher.state_dict())
    return models


def gradients(model, batch, backward=lambda loss: loss.backward()):
    """Gradients of one step, by the parameters' names."""
    model.zero_grad()
    losses = model(batch[0].double(), batch[1], mode='loss')
    backward(total(losses))
    return {
        name: param.grad.clone()
        for name, param in model.named_parameters()
        if param.grad is not None
    }


def pair(build, distiller, student=None, teacher=None, plain=None, **options):
    """The same model without and with options, in float64."""
    plain = dict(teacher_chunks=1, **(plain or {}))
    models = [
        build(
            copy.deepcopy(distiller),
            copy.deepcopy(student),
            copy.deepcopy(teacher),
            **own,
        ).double()
        for own in (plain, {**plain, **options})
    ]
    models[1].load_state_dict(models[0].state_dict())
    models[1].teacher.load_state_dict(models[0].teacher.state_dict())
    return models


def assert_equal(early, summed):
    """Compare to 1e-12, relative to the norm of each gradient."""
    assert set(early) == set(summed)
    for name, grad in summed.items():
        error = (early[name] - grad).norm()
        assert error <= 1e-12 * grad.norm(), (name, error)


@pytest.mark.parametrize('boundaries', [LOCAL_MODULES, BLOCKS])
def test_early_gradients_equal_the_summed_ones(build, batch, boundaries):
    networks = dict(student=classifier(14))
    early, summed = two_models(build, boundaries, networks, **LOGITS_KD)
    expected = gradients(summed, batch)
    assert_equal(gradients(early, batch), expected)
    assert len(expected) == len(list(early.parameters()))


@pytest.mark.parametrize(
    'entries, options',
    [
        ([dict(LOCAL_MODULES[0], isolate=False), LOCAL_MODULES[1]], {}),
        ([LOCAL_MODULES[0], dict(LOCAL_MODULES[1], isolate=False)], {}),
        (LOCAL_MODULES, STOCK_FEATURE_LOSS),
        (LOCAL_MODULES, dict(feature_loss=None)),
        (
            LOCAL_MODULES,
            dict(
                feature_loss=dict(type='mmrazor.L2Loss'),
                attention_loss=dict(type='NDAMLoss', mode='match'),
            ),
        ),
    ],
    ids=['first-uncut', 'last-uncut', 'stock-loss', 'one-loss', 'other-loss'],
)
def test_whatever_the_modules_are(build, batch, entries, options):
    early, summed = two_models(build, entries, **options)
    assert_equal(gradients(early, batch), gradients(summed, batch))


def test_a_learned_connector_gets_its_gradients(build, batch):
    early, summed = two_models(
        build, model=dict(teacher=classifier('8x4', width=256))
    )
    actual = gradients(early, batch)
    assert_equal(actual, gradients(summed, batch))
    assert sum('.connector.' in name for name in actual) == 6


@pytest.mark.parametrize('frozen_stages', [-1, 0, 1, 2])
@pytest.mark.parametrize('with_cp', [False, True])
def test_checkpointed_and_frozen_stages(build, batch, with_cp, frozen_stages):
    options = dict(with_cp=with_cp, frozen_stages=frozen_stages)
    networks = dict(student=resnet(**options), teacher=resnet())
    early, summed = two_models(build, STAGES, networks)
    assert_equal(gradients(early, batch), gradients(summed, batch))


def test_checkpointing_inside_a_module_saves_memory(build, batch):
    """mmpretrain's with_cp does what it says, behind cuts too."""
    saved = {False: 0, True: 0}
    for with_cp in saved:

        def pack(tensor, with_cp=with_cp):
            saved[with_cp] += tensor.numel()
            return tensor

        student = resnet(with_cp=with_cp)
        model = build(lakd(STAGES), student=student, teacher=resnet())
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            model(*batch, mode='loss')
    assert saved[True] < 0.8 * saved[False]


def test_a_module_is_released_before_the_next_one_runs(build, batch):
    """Nothing of module 1's graph is alive when stage 2 begins."""
    model = build(lakd(), student=classifier(14))
    kept, alive = [], {}

    class Saved:
        """Stands for a tensor in the graph; dies with it."""

        def __init__(self, tensor):
            self.tensor = tensor
            kept.append(weakref.ref(self))

    for stage in (2, 3):
        module = model.student.get_submodule(f'backbone.layer{stage}.0')
        module.register_forward_pre_hook(
            lambda *_, stage=stage: alive.update(
                {stage: sum(ref() is not None for ref in kept)}
            )
        )
    with torch.autograd.graph.saved_tensors_hooks(Saved, lambda s: s.tensor):
        losses = model(*batch, mode='loss')
    # what is left: the gradients of the modules before
    stages = [
        int(name.split('layer')[1][0]) if 'layer' in name else 1
        for name, _ in model.student.backbone.named_parameters()
    ]
    params = {stage: sum(s < stage for s in stages) for stage in (2, 3)}
    assert alive == params
    assert losses['distill.module1.loss'].requires_grad


def test_recorders_hold_nothing_after_the_step(build, batch):
    for type in ('FrozenTeacherDistill', 'SingleTeacherDistill'):
        model = build(lakd(**LOGITS_KD), type=type)
        model(*batch, mode='loss')
        for manager in (
            model.distiller.teacher_recorders,
            model.distiller.student_recorders,
        ):
            for recorder in manager.recorders.values():
                assert recorder.data_buffer == []


def test_the_loss_can_be_scaled_afterwards(build, batch):
    """A hook or an algorithm may weigh the losses that it gets."""
    model = build(lakd()).double()
    losses = model(batch[0].double(), batch[1], mode='loss')
    params = [p for n, p in model.named_parameters() if 'layer1.0.conv1' in n]
    loss = losses['distill.module1.loss']
    (once,) = torch.autograd.grad(loss, params, retain_graph=True)
    (thrice,) = torch.autograd.grad(3 * loss, params)
    torch.testing.assert_close(thrice, 3 * once)


def test_accumulation_and_clipping(build, batch):
    """MMEngine's optimizer wrapper, two steps into one update."""
    results = []
    for model in two_models(build, **LOGITS_KD):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        wrapper = OptimWrapper(
            optimizer,
            accumulative_counts=2,
            clip_grad=dict(max_norm=0.5, error_if_nonfinite=True),
        )
        wrapper.initialize_count_status(model, 0, 4)
        for factor in (1, 2, 3, 4):
            images = factor * batch[0].double()
            wrapper.update_params(total(model(images, batch[1], mode='loss')))
        results.append(dict(model.named_parameters()))
    for name, value in results[1].items():
        torch.testing.assert_close(
            results[0][name], value, rtol=1e-10, atol=1e-12, msg=name
        )


def test_parameter_groups_and_weight_decay(build, batch):
    """paramwise_cfg works as ever, and sees nothing of the teacher."""
    results = []
    for model in two_models(build):
        wrapper = build_optim_wrapper(
            model,
            dict(
                optimizer=dict(type='SGD', lr=0.1, weight_decay=0.5),
                paramwise_cfg=dict(
                    norm_decay_mult=0.0,
                    custom_keys={'layer1': dict(lr_mult=0.1)},
                ),
            ),
        )
        grouped = [
            id(param)
            for group in wrapper.optimizer.param_groups
            for param in group['params']
        ]
        assert set(grouped) == {id(p) for p in model.parameters()}
        images = batch[0].double()
        wrapper.update_params(total(model(images, batch[1], mode='loss')))
        results.append(dict(model.named_parameters()))
    for name, value in results[1].items():
        torch.testing.assert_close(
            results[0][name], value, rtol=1e-10, atol=1e-12, msg=name
        )


def test_moving_average(build, batch):
    """EMAHook's averaged model has no teacher's weights to average."""
    model = build(lakd())
    averaged = ExponentialMovingAverage(model, momentum=0.5)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    before = copy.deepcopy(model.state_dict())
    for _ in range(2):
        data = dict(inputs=batch[0], data_samples=batch[1])
        model.train_step(data, wrapper)
        averaged.update_parameters(model)
    name = 'architecture.backbone.layer1.0.conv1.weight'
    # the first update copies
    assert not torch.equal(averaged.module.state_dict()[name], before[name])
    assert set(averaged.module.state_dict()) == set(before)
    assert not any(key.startswith('teacher') for key in before)
    averaged.module.eval()
    assert len(averaged.module(*batch, mode='predict')) == 4


@pytest.mark.parametrize('where', ['module1', 'head'])
def test_float16_overflow_skips_the_step_and_lowers_the_scale(
    build, batch, where
):
    """With a real GradScaler, on a CPU."""
    if not hasattr(torch.amp, 'GradScaler'):
        pytest.skip('GradScaler is for CUDA only before torch 2.3')
    model = build(lakd(**LOGITS_KD))
    # steps so small that none of them can spoil the weights
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-9)
    scaler = torch.amp.GradScaler('cpu', init_scale=2.0**10)
    weighted = {
        'module1': model.distiller.teachings[0].losses['feature'],
        'head': model.student.head.loss_module,
    }[where]

    def step(loss_weight):
        weighted.loss_weight = loss_weight
        with torch.autocast('cpu', torch.float16):
            losses = model(*batch, mode='loss')
        scaler.scale(total(losses)).backward()
        scaler.step(optimizer)
        before = scaler.get_scale()
        scaler.update()
        optimizer.zero_grad()
        return scaler.get_scale() / before

    assert step(1.0) == 1
    assert step(1e8) == 0.5  # skipped
    skipped = 1
    while step(1e8) == 0.5:
        skipped += 1
    assert 4 < skipped < 30
    assert step(1.0) == 1


def test_float16_gradients_do_not_vanish(build, batch):
    """Next to those in float32: as near as rounding allows."""
    if not hasattr(torch.amp, 'GradScaler'):
        pytest.skip('no float16 convolutions on a CPU')
    model = build(lakd())
    expected = gradients(copy.deepcopy(model).double(), batch)
    # the factor of the loss scaler is known after the first step
    for _ in range(2):
        model.zero_grad()
        with torch.autocast('cpu', torch.float16):
            losses = model(*batch, mode='loss')
        (1e-2 * 2.0**16 * total(losses)).backward()
    for name, param in model.named_parameters():
        if 'backbone.layer3' in name or 'head' in name:
            continue
        actual = param.grad.double() / (1e-2 * 2.0**16)
        error = (actual - expected[name]).norm() / expected[name].norm()
        assert error < 0.05, (name, error)


def test_a_hook_on_a_gradient_is_refused(build, batch):
    model = build(lakd())
    weight = model.student.backbone.layer1[0].conv1.weight
    weight.register_hook(lambda grad: 2 * grad)
    with pytest.raises(SettingError, match='hook.*early_backward=False'):
        model(*batch, mode='loss')
    build(lakd(early_backward=False))(*batch, mode='loss')


def test_a_reentrant_checkpoint_is_refused():
    from torch.utils.checkpoint import checkpoint

    layer = nn.Linear(2, 2)
    x = torch.rand(1, 2, requires_grad=True)
    loss = checkpoint(layer, x, use_reentrant=True).sum()
    with pytest.raises(SettingError, match='use_reentrant=False'):
        EarlyBackward()(loss)


def test_replicas_are_refused(build, batch):
    """What DataParallel forwards are copies marked like this."""
    model = build(lakd())
    model.student.backbone.layer1.preact._is_replica = True
    with pytest.raises(SettingError, match='DataParallel.*dist_train'):
        model(*batch, mode='loss')
