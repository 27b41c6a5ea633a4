"""LAKD's local modules: what flows where, and what doesn't."""

import copy

import pytest
import torch
import torch.nn.functional as F
from conftest import LOCAL_MODULES, LOGITS_KD, classifier, lakd, total

from mmrazor_lakd.losses import local_feature_loss, ndam_loss

STEM = ('backbone.conv1', 'backbone.bn1', 'backbone.layer1')


def module_of(name):
    """The number of the local module that a student's parameter is in."""
    if name.startswith(STEM):
        return 1
    return 2 if name.startswith('backbone.layer2') else 3


def gradients(loss, model):
    """The student's gradients of one loss, by name; None where there's no
    path."""
    names, params = zip(*model.student.named_parameters())
    return dict(
        zip(
            names,
            torch.autograd.grad(
                loss, params, retain_graph=True, allow_unused=True
            ),
        )
    )


@pytest.mark.parametrize(
    'type', ['FrozenTeacherDistill', 'SingleTeacherDistill']
)
def test_losses_are_logged_one_by_one(build, batch, type):
    losses = build(lakd(**LOGITS_KD), type=type)(*batch, mode='loss')
    assert set(losses) == {
        'student.loss',
        'distill.loss_kd',
        'distill.module1.loss',
        'distill.module1.feature',
        'distill.module1.attention',
        'distill.module2.loss',
        'distill.module2.feature',
        'distill.module2.attention',
    }
    assert all(value.isfinite() for value in losses.values())
    for number in (1, 2):
        name = f'distill.module{number}'
        parts = losses[f'{name}.feature'] + losses[f'{name}.attention']
        torch.testing.assert_close(losses[f'{name}.loss'], parts)


def test_no_gradient_crosses_a_cut(build, batch):
    """With cuts at all boundaries, each loss reaches its module alone."""
    model = build(lakd(**LOGITS_KD))
    for name, loss in model(*batch, mode='loss').items():
        if 'loss' not in name:
            assert not loss.requires_grad
            continue
        own = int(name[len('distill.module')]) if 'module' in name else 3
        for param, grad in gradients(loss, model).items():
            if module_of(param) == own:
                assert grad is not None and grad.abs().sum() > 0, (name, param)
            else:
                assert grad is None, (name, param)


def test_three_taught_modules(build, batch):
    """The last module may be taught too, without a cut before the head."""
    last = dict(
        student='backbone.layer3.preact',
        teacher='backbone.layer3.preact',
        isolate=False,
    )
    model = build(lakd(LOCAL_MODULES + [last]))
    losses = model(*batch, mode='loss')
    reached = gradients(losses['distill.module3.loss'], model)
    assert all(
        (grad is not None) == (param.startswith('backbone.layer3'))
        for param, grad in reached.items()
    )
    reached = gradients(losses['student.loss'], model)
    assert reached['backbone.layer3.0.conv1.weight'] is not None
    assert reached['backbone.layer2.0.conv1.weight'] is None


def joint_loss(model, images, samples):
    """The same losses in one plain graph, with maps taken by plain hooks."""
    maps = {'student': [], 'teacher': []}
    hooks = [
        getattr(model, role)
        .get_submodule(f'backbone.layer{stage}.preact')
        .register_forward_hook(lambda m, i, o, role=role: maps[role].append(o))
        for role in maps
        for stage in (1, 2)
    ]
    with torch.no_grad():
        t_logits = model.teacher(images)
    s_logits = model.student(images)
    for hook in hooks:
        hook.remove()
    labels = torch.cat([sample.gt_label for sample in samples])
    loss = F.cross_entropy(s_logits, labels)
    loss = loss + 16 * F.kl_div(
        (s_logits / 4).log_softmax(1),
        (t_logits / 4).softmax(1),
        reduction='batchmean',
    )
    for s, t in zip(maps['student'], maps['teacher']):
        loss = loss + local_feature_loss(s, t) + ndam_loss(s, t)
    return loss


@pytest.mark.parametrize('isolate', [True, False])
def test_gradients_equal_a_joint_loss(build, batch, isolate):
    """Without cuts: all gradients. With cuts: those of module 3, and the
    same sum of losses."""
    entries = [dict(entry, isolate=isolate) for entry in LOCAL_MODULES]
    model = build(lakd(entries, **LOGITS_KD)).double()
    images, samples = batch
    images = images.double()
    joint = total(model(images, samples, mode='loss'))
    actual = gradients(joint, model)
    plain = joint_loss(model, images, samples)
    expected = gradients(plain, model)
    assert joint.item() == pytest.approx(plain.item(), rel=1e-12)
    for name, grad in expected.items():
        if isolate and module_of(name) < 3:
            continue
        torch.testing.assert_close(
            actual[name], grad, rtol=1e-9, atol=1e-12, msg=name
        )


def test_outside_of_the_training_loss_nothing_is_cut(build, batch):
    images, samples = batch
    model = build(lakd(**LOGITS_KD))
    plain = copy.deepcopy(model.student)
    for module in plain.modules():
        module._forward_hooks.clear()

    # a user's own forward pass in training mode: gradients go all the way
    logits = model.student(images)
    torch.testing.assert_close(logits, plain(images), rtol=0, atol=0)
    assert all(g is not None for g in gradients(logits.sum(), model).values())

    model(images, samples, mode='loss')  # and still so after a step
    assert all(
        g is not None
        for g in gradients(model.student(images).sum(), model).values()
    )

    model.eval()
    plain.load_state_dict(model.student.state_dict())
    plain.eval()
    torch.testing.assert_close(
        model(images, mode='tensor'), plain(images), rtol=0, atol=0
    )
    assert len(model(images, samples, mode='predict')) == 4


def test_student_has_the_plain_students_weights(build):
    from mmpretrain.registry import MODELS

    model = build(lakd())
    plain = MODELS.build(classifier(8))
    assert list(model.student.state_dict()) == list(plain.state_dict())


def test_no_map_and_no_loss_outlives_the_step(build, batch):
    model = build(lakd())
    model(*batch, mode='loss')
    distiller = model.distiller
    assert distiller._step is None
    for recorder in distiller.teacher_recorders.recorders.values():
        assert recorder.data_buffer == []


def test_copies_are_independent(build, batch):
    """EMA deep-copies the model: its hooks must belong to the copy."""
    model = build(lakd())
    model(*batch, mode='loss')
    copied = copy.deepcopy(model)
    losses = copied(*batch, mode='loss')
    assert 'distill.module1.feature' in losses
    total(losses).backward()
    assert all(p.grad is None for p in model.student.parameters())
    assert all(p.grad is not None for p in copied.student.parameters())


@pytest.mark.parametrize(
    'type', ['FrozenTeacherDistill', 'SingleTeacherDistill']
)
def test_stopped_distillation_lifts_the_cuts(build, batch, type):
    """MMRazor's StopDistillHook: from then on, the labels teach all."""
    model = build(lakd(**LOGITS_KD), type=type)
    model(*batch, mode='loss')
    model.distillation_stopped = True  # what the hook sets
    model(*batch, mode='loss')
    losses = model(*batch, mode='loss')
    assert set(losses) == {'student.loss'}
    reached = gradients(losses['student.loss'], model)
    assert all(grad is not None for grad in reached.values())


@pytest.mark.parametrize(
    'type', ['FrozenTeacherDistill', 'SingleTeacherDistill']
)
def test_an_interrupted_step_does_not_end_the_distillation(build, batch, type):
    model = build(lakd(), type=type)
    head = model.student.head.register_forward_pre_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        model(*batch, mode='loss')
    head.remove()
    if type == 'FrozenTeacherDistill':
        assert model.distiller._step is None
    else:
        model(*batch, mode='loss')  # looks like a stop, and isn't one
    assert 'distill.module1.loss' in model(*batch, mode='loss')


def interrupt(*args):
    raise KeyboardInterrupt


def test_losses_can_be_left_out_or_set_for_one_module(build, batch):
    entries = [
        dict(LOCAL_MODULES[0], attention_loss=None),
        dict(
            LOCAL_MODULES[1],
            feature_loss=None,
            attention_loss=dict(type='NDAMLoss', loss_weight=0.0),
        ),
    ]
    losses = build(lakd(entries))(*batch, mode='loss')
    local = {name for name in losses if 'module' in name}
    assert local == {
        'distill.module1.loss',
        'distill.module1.feature',
        'distill.module2.loss',
        'distill.module2.attention',
    }
    assert losses['distill.module2.attention'] == 0


def test_without_modules_it_is_a_stock_distiller(build, batch):
    losses = build(lakd([], **LOGITS_KD))(*batch, mode='loss')
    assert set(losses) == {'student.loss', 'distill.loss_kd'}


def test_unequal_widths_and_sizes_align_by_themselves(build, batch):
    """ResNet8's first and last stage against ResNet8x4's second, 16 x 16.

    Their 16 channels at 32 x 32 and 64 at 8 x 8 are lifted to 128, and the
    larger of the two maps is pooled.
    """
    entries = [
        dict(
            student='backbone.layer1.preact',
            teacher='backbone.layer2.preact',
        ),
        dict(
            student='backbone.layer3.preact',
            teacher='backbone.layer2.preact',
        ),
    ]
    model = build(lakd(entries), teacher=classifier('8x4', width=256))
    lifted = {}
    for number, teaching in enumerate(model.distiller.teachings, 1):
        teaching.connector.register_forward_hook(
            lambda module, inputs, output, number=number: lifted.update(
                {number: output.detach()}
            )
        )
    losses = model(*batch, mode='loss')
    total(losses).backward()
    for teaching in model.distiller.teachings:
        assert teaching.connector.project[0].weight.grad.abs().sum() > 0
    taught = {}
    model.teacher.backbone.layer2.preact.register_forward_hook(
        lambda module, inputs, output: taught.update({1: output, 2: output})
    )
    with torch.no_grad():
        model.teacher(batch[0])
    assert lifted[1].shape[1:] == (128, 32, 32)
    assert lifted[2].shape[1:] == (128, 8, 8)
    lifted[1] = F.avg_pool2d(lifted[1], 2)
    taught[2] = F.avg_pool2d(taught[2], 2)
    for number in (1, 2):
        for kind, loss in (
            ('feature', local_feature_loss),
            ('attention', ndam_loss),
        ):
            torch.testing.assert_close(
                losses[f'distill.module{number}.{kind}'],
                loss(lifted[number], taught[number]),
            )


@pytest.mark.parametrize('width', [64, 256])
def test_last_module_learns_through_a_connector(build, batch, width):
    """A stock loss's connector finds its widths, and is trained with it."""
    pooled = dict(type='ModuleOutputs', source='neck.gap')
    model = build(
        lakd(
            student_recorders=dict(pooled=pooled),
            teacher_recorders=dict(pooled=pooled),
            connectors=dict(
                regressor=dict(type='ConvModuleConnector', act_cfg=None)
            ),
            distill_losses=dict(loss_pooled=dict(type='LocalFeatureLoss')),
            loss_forward_mappings=dict(
                loss_pooled=dict(
                    s_feature=dict(
                        recorder='pooled',
                        from_student=True,
                        connector='regressor',
                    ),
                    t_feature=dict(recorder='pooled', from_student=False),
                )
            ),
        ),
        teacher=classifier('8x4' if width == 256 else 14, width=width),
    ).double()
    images, samples = batch
    images = images.double()
    loss = model(images, samples, mode='loss')['distill.loss_pooled']
    layer = model.distiller.connectors.regressor.conv_module.conv
    assert layer.weight.shape == (width, 64, 1, 1)
    pooled = model.student.extract_feat(images)[0]
    with torch.no_grad():
        taught = model.teacher.extract_feat(images)[0]
    lifted = pooled @ layer.weight[:, :, 0, 0].T + layer.bias
    plain = ((lifted - taught) ** 2).mean() / (
        taught.var(unbiased=False) + 1e-6
    )
    assert loss.item() == pytest.approx(plain.item(), rel=1e-12)
    actual, expected = gradients(loss, model), gradients(plain, model)
    for name, grad in actual.items():
        if module_of(name) < 3 or name.startswith('head'):
            assert grad is None
        else:
            torch.testing.assert_close(grad, expected[name], msg=name)
    for param in (layer.weight, layer.bias):
        torch.testing.assert_close(
            *(
                torch.autograd.grad(value, param, retain_graph=True)[0]
                for value in (loss, plain)
            )
        )


def test_dry_run_leaves_no_trace(build):
    """Neither running statistics nor random numbers change."""
    from mmpretrain.registry import MODELS

    with_lakd = build(lakd(), seed=3)
    drawn = torch.rand(1)
    without = build(lakd([]), seed=3)
    assert torch.equal(drawn, torch.rand(1))
    for model in (with_lakd, without):
        for name, value in model.student.state_dict().items():
            assert torch.equal(value, without.student.state_dict()[name])
    student = MODELS.build(classifier(8))
    student.train()
    student.backbone.bn1.eval()
    from mmrazor_lakd.tracing.dry_run import dry_run

    dry_run(student, ['backbone.layer1'], 'student')
    assert student.training and not student.backbone.bn1.training
    assert student.backbone.bn1.num_batches_tracked == 0


def test_chosen_modules_train_and_can_be_pasted(build, batch):
    chosen = build(dict(type='LAKDDistiller', num_modules=3))
    entries = [
        dict(student=entry['student'], teacher=entry['teacher'])
        for entry in chosen.distiller.local_modules
    ]
    assert len(entries) == 2
    pasted = build(lakd(entries))
    losses = [model(*batch, mode='loss') for model in (chosen, pasted)]
    assert set(losses[0]) == set(losses[1])
    assert 'distill.module2.loss' in losses[0]
    for name, value in losses[0].items():
        torch.testing.assert_close(losses[1][name], value, msg=name)
    total(losses[0]).backward()
    assert all(p.grad is not None for p in chosen.parameters())


def test_one_module_is_the_whole_student(build, batch):
    """It learns the ends of both stages before the last, without a cut."""
    model = build(dict(type='LAKDDistiller', num_modules=1))
    losses = model(*batch, mode='loss')
    names = [f'distill.module{number}.loss' for number in (1, 2)]
    assert {n for n in losses if n.endswith('loss')} == {
        'student.loss',
        *names,
    }
    (grad,) = torch.autograd.grad(
        losses['student.loss'], model.student.backbone.layer1[0].conv1.weight
    )
    assert grad.abs().sum() > 0
