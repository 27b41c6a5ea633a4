"""Maps of several levels: cut off together, and used in training only."""

import copy

import pytest
import torch
import torch.nn.functional as F
from conftest import classifier, lakd
from mmpretrain.registry import MODELS
from test_early_backward import assert_equal, gradients
from torch import nn

from mmrazor_lakd import SettingError
from mmrazor_lakd.losses import local_feature_loss, ndam_loss
from mmrazor_lakd.partition.cut_checks import check_boundaries
from mmrazor_lakd.tracing.blocks import find_blocks
from mmrazor_lakd.tracing.dry_run import dry_run, find_image


@MODELS.register_module()
class JoinLevels(nn.Module):
    """A neck that uses all levels, as a feature pyramid does."""

    def forward(self, maps):
        return (torch.cat([level.mean((2, 3)) for level in maps], 1),)


@MODELS.register_module()
class HeadWithAuxiliary(MODELS.get('LinearClsHead')):
    """A head that looks at another map where it computes its loss."""

    def __init__(self, auxiliary, weighted, **kwargs):
        super().__init__(**kwargs)
        self.auxiliary, self.weighted = auxiliary, weighted
        self.aux = nn.Linear(16, self.num_classes)

    def loss(self, feats, data_samples, **kwargs):
        levels, features = feats[:-1], feats[-1:]
        logits = self.aux(levels[self.auxiliary].mean((2, 3))[:, :16])
        labels = torch.cat([sample.gt_label for sample in data_samples])
        losses = super().loss(features, data_samples)
        # Without 'loss' in its name, it is logged and not trained.
        name = 'loss_aux' if self.weighted else 'aux'
        return {**losses, name: F.cross_entropy(logits, labels)}


@MODELS.register_module()
class PoolLast(nn.Module):
    """A neck that passes on the levels, and pools the last one."""

    def forward(self, maps):
        return (*maps[:-1], maps[-1].mean((2, 3)))


def entry(stage, **kwargs):
    name = f'backbone.layer{stage}'
    return dict(student=name, teacher=name, **kwargs)


def joined():
    """A student whose neck joins its three stages."""
    cfg = classifier(8, width=16 + 32 + 64)
    cfg['backbone']['out_indices'] = (0, 1, 2)
    cfg['neck'] = dict(type='JoinLevels')
    return cfg


def with_auxiliary(auxiliary, weighted=True):
    """A student with an auxiliary head on its first or second stage."""
    cfg = classifier(8)
    cfg['backbone']['out_indices'] = (0, 1, 2)
    cfg['neck'] = dict(type='PoolLast')
    cfg['head'].update(
        type='HeadWithAuxiliary', auxiliary=auxiliary, weighted=weighted
    )
    return cfg


def cut_by_hand(model, images, samples):
    """The gradients of plain autograd, with a detach behind each stage."""
    student = copy.deepcopy(model.student)
    for module in student.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    taught, maps = [], []
    hooks = []
    for stage in ('layer1', 'layer2'):
        hooks.append(
            getattr(model.teacher.backbone, stage).register_forward_hook(
                lambda module, inputs, output: taught.append(output)
            )
        )

        def cut(module, inputs, output):
            maps.append(output)
            return output.detach()

        getattr(student.backbone, stage).register_forward_hook(cut)
    with torch.no_grad():
        model.teacher(images)
    loss = student(images, samples, mode='loss')['loss']
    for hook in hooks:
        hook.remove()
    for s, t in zip(maps, taught):
        loss = loss + local_feature_loss(s, t) + ndam_loss(s, t)
    loss.backward()
    return {
        f'architecture.{name}': param.grad
        for name, param in student.named_parameters()
    }


@pytest.mark.parametrize('early', [True, False])
def test_levels_that_a_neck_joins_are_cut_together(build, batch, early):
    distiller = lakd([entry(1), entry(2)], early_backward=early)
    model = build(distiller, student=joined()).double()
    actual = gradients(model, batch)
    assert_equal(actual, cut_by_hand(model, batch[0].double(), batch[1]))


def test_one_level_alone_is_not(build):
    """The map of stage 1 goes around a cut behind stage 2."""
    with pytest.raises(
        SettingError,
        match="cut behind 'backbone.layer2', since information passes around "
        "it, from 'backbone.layer1.*; cut behind 'backbone.layer1' as well",
    ):
        build(lakd([entry(1, isolate=False), entry(2)]), student=joined())
    build(lakd([entry(1)]), student=joined())


class TapBeside(nn.Module):
    """Uses what goes into an identity beside what comes out of it."""

    def __init__(self, leaks):
        super().__init__()
        self.leaks = leaks
        self.first = nn.Conv2d(3, 4, 3)
        self.tap = nn.Identity()
        self.last = nn.Conv2d(4, 4, 3)

    def forward(self, x, mode='tensor'):
        x = self.first(x)
        tapped = self.tap(x)
        return self.last(tapped) + (x if self.leaks else tapped)[..., 2:, 2:]


def test_an_identity_is_told_from_its_input():
    check_boundaries(TapBeside(leaks=False), ['tap'])
    with pytest.raises(SettingError, match="behind 'tap', since information"):
        check_boundaries(TapBeside(leaks=True), ['tap'])


def test_a_module_before_another_boundary_is_looked_at_too():
    """A cut at the end hides nothing of a shortcut around one inside."""
    model = MODELS.build(classifier(8))
    names = ['backbone.layer1.0.bn1', 'backbone.layer1.0', 'backbone.layer2']
    with pytest.raises(SettingError, match="behind 'backbone.layer1.0.bn1'"):
        check_boundaries(model, names)
    check_boundaries(model, ['backbone.conv1', 'backbone.bn1', *names[1:]])


@pytest.mark.parametrize('early', [True, False])
def test_a_loss_that_goes_around_a_cut(build, batch, early):
    """Which the dry run, without labels, has not shown."""
    distiller = lakd([entry(2)], early_backward=early)
    model = build(distiller, student=with_auxiliary(0))
    with pytest.raises(
        SettingError,
        match=r"local_modules\[0\].*'loss_aux' takes a map from before the "
        "cut behind 'backbone.layer2'.*isolate=False",
    ):
        model(*batch, mode='loss')


@pytest.mark.parametrize(
    'entries, auxiliary, weighted',
    [
        ([entry(2)], 0, False),  # is logged and no more
        ([entry(2, isolate=False)], 0, True),
        ([entry(2)], 1, True),  # the map at the cut itself
        ([entry(1), entry(2)], 0, True),
        ([entry(1)], 1, True),
    ],
)
def test_losses_that_do_not(build, batch, entries, auxiliary, weighted):
    grads = []
    for early in (True, False):
        distiller = lakd(entries, early_backward=early)
        student = with_auxiliary(auxiliary, weighted)
        model = build(distiller, student=student).double()
        grads.append(gradients(model, batch))
    assert_equal(*grads)


def test_a_frozen_level_may_pass_around_a_cut():
    """No gradient would train anything there."""
    student = MODELS.build(joined())
    with pytest.raises(SettingError, match="passes around .*'backbone.layer1"):
        check_boundaries(student, ['backbone.layer2'])
    for name, parameter in student.backbone.named_parameters():
        if name.startswith(('conv1', 'bn1', 'layer1')):
            parameter.requires_grad = False
    check_boundaries(student, ['backbone.layer2'])
    student.backbone.layer1[0].conv2.weight.requires_grad = True
    with pytest.raises(SettingError, match='passes around'):
        check_boundaries(student, ['backbone.layer2'])


class Features(nn.Module):
    """A model of the user's whose head needs what no image alone gives."""

    def __init__(self):
        super().__init__()
        model = MODELS.build(classifier(8))
        self.backbone, self.neck = model.backbone, model.neck

    def extract_feat(self, images):
        return self.neck(self.backbone(images))

    def forward(self, images, data_samples=None, mode='tensor'):
        features = self.extract_feat(images)
        if data_samples is None:
            raise KeyError('proposals')
        return features


def test_a_head_that_needs_more_than_an_image():
    """Maps of backbone and neck are seen without it; others give the cause."""
    trace = dry_run(Features(), ['backbone.layer1', 'neck.gap'], 'student')
    assert trace.shapes[0] == (1, 16, 32, 32) and trace.logits is None
    check_boundaries(Features(), ['backbone.layer2'])
    blocks = find_blocks(Features(), 'student')
    assert [block.can_cut for block in blocks] == [True, True, False]
    with pytest.raises(
        SettingError,
        match='cannot be run on an image alone, since it fails in its own '
        "forward: KeyError: 'proposals'; .*extract_feat",
    ):
        find_image(Features(), 'student')
