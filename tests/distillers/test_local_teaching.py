"""What a module is taught with, and which modules that teaches."""

import weakref

import pytest
import torch
from conftest import LOCAL_MODULES, LOGITS_KD, classifier, lakd, total
from mmpretrain.structures import DataSample
from test_lakd_distiller import gradients as reach
from test_lakd_distiller import module_of

from mmrazor_lakd import SettingError

CLASSIFIER = dict(type='LocalClassifierLoss')
ALONE = dict(
    classifier_loss=CLASSIFIER, feature_loss=None, attention_loss=None
)


def gradients(model, images, samples):
    """Gradients of one step in float64, by the parameters' names."""
    model.zero_grad()
    losses = model(images.double(), samples, mode='loss')
    total(losses).backward()
    return losses, {
        name: param.grad
        for name, param in model.named_parameters()
        if param.grad is not None
    }


@pytest.mark.parametrize('options', [dict(classifier_loss=CLASSIFIER), ALONE])
@pytest.mark.parametrize(
    'type', ['FrozenTeacherDistill', 'SingleTeacherDistill']
)
def test_it_adds_its_loss_to_the_modules(build, batch, options, type):
    """With the teacher's real logits, and the batch's labels."""
    model = build(lakd(**options), type=type).double()
    taken = []
    model.student.backbone.layer1.preact.register_forward_hook(
        lambda module, inputs, output: taken.append(output.detach())
    )
    images, samples = batch
    losses, _ = gradients(model, images, samples)
    with torch.no_grad():
        t_logits = model.teacher(images.double())
        loss = model.distiller.teachings[0].losses['classifier']
        expected = loss(taken[-1], t_logits, samples)
    name = 'distill.module1'
    torch.testing.assert_close(losses[f'{name}.classifier'], expected)
    kinds = [
        losses[f'{name}.{kind}']
        for kind in ('feature', 'attention', 'classifier')
        if f'{name}.{kind}' in losses
    ]
    assert len(kinds) == (1 if options is ALONE else 3)
    torch.testing.assert_close(losses[f'{name}.loss'], sum(kinds))


@pytest.mark.parametrize('isolate', [True, False])
@pytest.mark.parametrize('options', [dict(classifier_loss=CLASSIFIER), ALONE])
def test_early_gradients_equal_the_summed_ones(build, batch, options, isolate):
    networks = dict(teacher=classifier('8x4', width=256))
    found = []
    for early in (True, False):
        options = dict(options, early_backward=early, isolate=isolate)
        model = build(lakd(**options, **LOGITS_KD), **networks).double()
        found.append(gradients(model, *batch)[1])
        assert len(found[-1]) == len(list(model.parameters()))
    early, summed = found
    for name, grad in summed.items():
        error = (early[name] - grad).norm()
        assert error <= 1e-12 * grad.norm(), name


def test_it_teaches_its_module_alone(build, batch):
    """And is trained with it, though it is no part of the student."""
    model = build(lakd(**ALONE))
    losses = model(*batch, mode='loss')
    names, params = zip(*model.named_parameters())
    grads = torch.autograd.grad(
        losses['distill.module2.loss'], params, allow_unused=True
    )
    reached = {name for name, grad in zip(names, grads) if grad is not None}
    own = {name for name in names if 'backbone.layer2' in name}
    head = 'distiller.teachings.1.losses.classifier.fc'
    assert reached == own | {f'{head}.weight', f'{head}.bias'}


def test_it_learns_from_soft_labels(build, batch):
    """Mixup's, as the head does."""
    student = classifier(8)
    student['head']['loss'] = dict(type='CrossEntropyLoss', use_soft=True)
    model = build(lakd(**ALONE), student=student)
    found = []
    for classes in (range(4), range(4, 8)):
        scores = torch.full((4, 10), 0.05)
        scores[range(4), list(classes)] = 0.55
        samples = [DataSample().set_gt_score(score) for score in scores]
        losses = model(batch[0], samples, mode='loss')
        found.append(losses['distill.module1.classifier'].item())
    assert found[0] > 0 and found[0] != found[1]


def test_one_module_may_have_one(build, batch):
    entries = [dict(LOCAL_MODULES[0], **ALONE), LOCAL_MODULES[1]]
    losses = build(lakd(entries))(*batch, mode='loss')
    assert {name for name in losses if 'module' in name} == {
        'distill.module1.loss',
        'distill.module1.classifier',
        'distill.module2.loss',
        'distill.module2.feature',
        'distill.module2.attention',
    }


def test_alone_it_needs_neither_connector_nor_map(build, batch):
    """A connector that nothing teaches would be an unused parameter."""
    model = build(lakd(**ALONE), teacher=classifier('8x4', width=256))
    distiller = model.distiller
    total(model(*batch, mode='loss')).backward()
    assert all(p.grad is not None for p in distiller.parameters())
    assert not any(
        'connector' in name for name, _ in distiller.named_parameters()
    )
    assert set(distiller.teacher_recorders.recorders) == {
        'head.logits',
        'model.inputs',
    }
    for recorder in distiller.teacher_recorders.recorders.values():
        assert recorder.data_buffer == []


def test_it_is_released_with_its_module(build, batch):
    """Of module 1, gradients alone are left when stage 2 begins."""
    model = build(lakd(classifier_loss=CLASSIFIER), student=classifier(14))
    kept, alive = [], []

    class Saved:
        """Stands for a tensor in the graph; dies with it."""

        def __init__(self, tensor):
            self.tensor = tensor
            kept.append(weakref.ref(self))

    model.student.backbone.layer2[0].register_forward_pre_hook(
        lambda *_: alive.append(sum(ref() is not None for ref in kept))
    )
    with torch.autograd.graph.saved_tensors_hooks(Saved, lambda s: s.tensor):
        losses = model(*batch, mode='loss')
    module = [
        name
        for name, _ in model.student.backbone.named_parameters()
        if not name.startswith(('layer2', 'layer3'))
    ]
    # with those of the classifier; an image was tried before the step
    assert alive[-1] == len(module) + 2
    assert losses['distill.module1.loss'].requires_grad


def test_a_teacher_without_a_head_is_refused(build):
    teacher = classifier(14)
    del teacher['head']
    with pytest.raises(SettingError, match="no module 'head'"):
        build(lakd(**ALONE), teacher=teacher)


def test_cuts_can_be_left_out_at_once(build, batch):
    """And kept where an entry says so."""
    entries = [LOCAL_MODULES[0], dict(LOCAL_MODULES[1], isolate=True)]
    model = build(lakd(entries, isolate=False))
    losses = model(*batch, mode='loss')
    for name, modules in (
        ('distill.module1.loss', {1}),
        ('distill.module2.loss', {1, 2}),
        ('student.loss', {3}),
    ):
        reached = reach(losses[name], model)
        found = {module_of(p) for p, g in reached.items() if g is not None}
        assert found == modules, name
