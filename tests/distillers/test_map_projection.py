"""A teacher's maps that are projected to the student's width."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import LOCAL_MODULES, build_model, classifier, lakd
from fork_server import start_ranks
from project_in_two_processes import made_map
from short_training import run_shortly
from test_early_backward import assert_equal, gradients, pair
from test_kept_maps import half_the_size, unpooled
from torch import nn

from mmrazor_lakd import SettingError
from mmrazor_lakd.distillers.map_projection import (
    MapProjection,
    principal_components,
)
from mmrazor_lakd.losses import NDAMLoss

SCRIPT = Path(__file__).with_name('project_in_two_processes.py')
WIDE = classifier('8x4', width=256)


def slow_components(feature, width):
    """The singular vectors of all values, with the mean subtracted."""
    rows = feature.double().permute(0, 2, 3, 1).reshape(-1, feature.shape[1])
    mean = rows.mean(0)
    _, values, vectors = np.linalg.svd((rows - mean).numpy())
    for vector in vectors:
        if vector[np.abs(vector).argmax()] < 0:
            vector *= -1
    explained = (values[:width] ** 2).sum() / (values**2).sum()
    return torch.from_numpy(vectors[:width]), mean, explained


def projected_pair(build, batch, **options):
    """Two models with one projection: see :func:`pair`."""
    distiller = lakd(project_maps=True, **options.pop('distiller', {}))
    models = pair(build, distiller, None, WIDE, **options)
    for model in models:
        gradients(model, batch)
    # The first batch's last digits depend on how it was split.
    models[1].load_state_dict(models[0].state_dict())
    return models


def kept(model):
    return [part.kept for part in model.distiller.teachings]


def test_components_are_those_of_a_singular_value_decomposition():
    feature = made_map()
    rows, mean, explained = principal_components(feature, 4)
    slow_rows, slow_mean, slow_explained = slow_components(feature, 4)
    torch.testing.assert_close(rows, slow_rows)
    torch.testing.assert_close(mean, slow_mean)
    assert explained == pytest.approx(slow_explained)


def test_two_processes_find_those_of_both_parts(tmp_path):
    for process in start_ranks(SCRIPT, tmp_path, port=29643):
        done = process.finish()
        assert done.returncode == 0, done.stderr[-3000:]
    found = [torch.load(tmp_path / f'{rank}.pth') for rank in (0, 1)]
    expected = MapProjection(6, 4)
    expected.fit(made_map(), 'backbone')
    for name, value in expected.state_dict().items():
        assert torch.equal(found[0][name], found[1][name])
        torch.testing.assert_close(found[0][name], value)


def test_tokens_are_projected_as_maps_are():
    feature = made_map()
    projection = MapProjection(6, 4, torch.relu)
    projection.fit(feature, 'backbone')
    projected = projection(feature)
    assert projected.shape == (3, 5, 5, 4)
    tokens = projection(feature.flatten(2).transpose(1, 2))
    torch.testing.assert_close(
        tokens.transpose(1, 2).reshape(3, 5, 5, 4), projected
    )


@pytest.mark.parametrize('step', [1, 2])
def test_losses_are_those_of_the_whole_map(build, batch, step):
    """Written out, with autograd's gradient, in and after the first step."""
    model = build(lakd(project_maps=True), None, WIDE).double()
    for _ in range(step):
        found = gradients(model, batch)
    images = batch[0].double()
    maps = {}
    for name, network in (('s', model.student), ('t', model.teacher)):
        stage = network.backbone.layer1.preact
        stage.register_forward_hook(
            lambda module, inputs, output, name=name: maps.update(
                {name: output}
            )
        )
        network.extract_feat(images)
    wide = maps['t'].detach()
    rows, mean, _ = slow_components(wide, 16)
    target = torch.einsum('dc,nchw->ndhw', rows, wide - mean.view(-1, 1, 1))
    summed = wide.relu().sum(1, keepdim=True)
    average = nn.functional.avg_pool2d(
        summed, 3, 1, 1, count_include_pad=False
    )
    weight = average / 2 + nn.functional.max_pool2d(summed, 3, 1, 1) / 2
    weight = 1 + weight / weight.mean((2, 3), keepdim=True)
    loss = (weight * (maps['s'] - target).square()).mean() / target.var()
    conv = model.student.backbone.conv1.weight
    (expected,) = torch.autograd.grad(loss, conv)
    # Variances of float32 components.
    torch.testing.assert_close(
        found['architecture.backbone.conv1.weight'],
        expected,
        rtol=1e-4,
        atol=1e-6 * expected.abs().max().item(),
    )


@pytest.mark.parametrize('chunks', [2, 3])
def test_chunks_are_projected_each(build, batch, chunks):
    plain, chunked = projected_pair(build, batch, teacher_chunks=chunks)
    widths = set()
    chunked.student.backbone.conv1.register_forward_hook(
        lambda *args: widths.update(
            map_.shape[1]
            for part in kept(chunked)
            for map_ in part.data_buffer
        )
    )
    assert_equal(gradients(chunked, batch), gradients(plain, batch))
    assert widths == {16 + 1, 32 + 1}  # with the sum for NDAM


def test_early_gradients_equal_the_summed_ones(build, batch):
    early, summed = projected_pair(build, batch)
    summed.distiller.early_backward = False
    expected = gradients(summed, batch)
    assert_equal(gradients(early, batch), expected)
    assert not any('connector' in name for name in expected)


def test_recomputed_blocks_change_nothing(build, batch):
    plain, recomputed = projected_pair(build, batch, recompute=['blocks'])
    assert_equal(gradients(recomputed, batch), gradients(plain, batch))


def test_projected_maps_are_pooled_at_once(build, batch):
    distiller = lakd(LOCAL_MODULES, project_maps=True, half_maps=True)
    student = half_the_size()
    student['backbone'].update(stem_channels=8, base_channels=8)
    student['head']['in_channels'] = 64
    stages = [
        dict(student=f'backbone.layer{s}', teacher=f'backbone.layer{s}')
        for s in (1, 2)
    ]
    distiller['local_modules'] = stages
    whole, pooled = pair(build, distiller, student, WIDE)
    for model in (whole, pooled):
        unpooled(whole)
        gradients(model, batch)
    pooled.load_state_dict(whole.state_dict())
    assert_equal(gradients(pooled, batch), gradients(whole, batch))
    assert kept(pooled)[0]._compared


def test_projected_maps_are_kept_in_half(build, batch):
    plain, half = (
        build(lakd(project_maps=True, half_maps=half), None, WIDE)
        for half in (False, True)
    )
    for _ in range(2):
        losses = half(*batch, mode='loss')
        for name, value in plain(*batch, mode='loss').items():
            torch.testing.assert_close(
                losses[name], value, rtol=1e-2, atol=1e-2
            )
    dtypes = set()
    half.student.backbone.register_forward_pre_hook(
        lambda *args: dtypes.update(
            map_.dtype for part in kept(half) for map_ in part.data_buffer
        )
    )
    half(*batch, mode='loss')
    assert dtypes == {torch.bfloat16}


def test_a_resumed_training_keeps_its_projection(build, batch):
    """To the last digit, with another batch than the first."""
    first = build(lakd(project_maps=True), None, WIDE)
    first(*batch, mode='loss')
    saved = copy.deepcopy(first.state_dict())
    resumed = build(lakd(project_maps=True), None, WIDE)
    resumed.load_state_dict(saved)
    other = (batch[0].flip(0) + 1, batch[1])
    found = [model(*other, mode='loss') for model in (first, resumed)]
    assert found[0] == found[1]


def projection_after(work_dir, **settings):
    """The components after a short training."""
    model = build_model(lakd(project_maps=True), None, WIDE)
    run_shortly(model, work_dir, **settings)
    return model.distiller.teachings[0].projection.weight


def test_a_resumed_training_alone_keeps_that_of_a_checkpoint(tmp_path):
    own = projection_after(tmp_path / 'own', shift=1)
    other = projection_after(tmp_path / 'other', shift=0)
    assert not torch.equal(own, other)
    start = dict(load_from=str(tmp_path / 'other/iter_1.pth'))
    found = projection_after(tmp_path / 'new', shift=1, **start)
    assert torch.equal(found, own)
    start.update(resume=True, iterations=2)
    resumed = projection_after(tmp_path / 'resumed', shift=1, **start)
    assert torch.equal(resumed, other)


def test_a_checkpoint_without_a_step_is_fitted_later(build, batch):
    model = build(lakd(project_maps=True), None, WIDE)
    model.load_state_dict(copy.deepcopy(model.state_dict()))
    model(*batch, mode='loss')
    assert all(part.projection.fitted for part in model.distiller.teachings)


def test_a_batch_that_is_not_finite_is_left_to_the_next(build, batch):
    model = build(lakd(project_maps=True), None, WIDE)
    losses = model(batch[0] * float('nan'), batch[1], mode='loss')
    assert losses['distill.module1.loss'].isnan()
    losses = model(*batch, mode='loss')
    assert losses['distill.module1.loss'].isfinite()


def test_other_losses_see_the_projected_map(build, batch):
    """NDAM within another loss, or compared with the student's."""
    for loss in (
        dict(type='NDAMLoss', mode='match'),
        dict(type='WarmupLoss', loss=dict(type='NDAMLoss'), fraction=0.5),
    ):
        model = build(lakd(project_maps=True, attention_loss=loss), None, WIDE)
        model(*batch, mode='loss')
        assert model.distiller.teachings[0].projection.activate is None


def test_ndam_takes_the_sum_of_another_map():
    wide, narrow = torch.randn(2, 8, 6, 6), torch.randn(2, 3, 6, 6)
    summed = wide.relu().sum(1, keepdim=True)
    loss = NDAMLoss(scale='none', reduction='instance')
    torch.testing.assert_close(
        loss.position_weight(narrow, summed), loss.position_weight(wide)
    )


@pytest.mark.parametrize(
    'distiller, culprit',
    [
        (lakd(project_maps=True), 'LAKDDistiller'),
        (
            lakd(
                [LOCAL_MODULES[0], dict(LOCAL_MODULES[1], project_maps=True)]
            ),
            r'local_modules\[1\]',
        ),
        (lakd([], project_maps=True), 'LAKDDistiller'),
    ],
)
def test_a_projection_without_effect_is_refused(build, distiller, culprit):
    with pytest.raises(
        SettingError, match=f'{culprit} has project_maps=True, but compares'
    ):
        build(distiller, classifier(14))


def test_an_entry_may_leave_its_map_whole(build, batch):
    entries = [LOCAL_MODULES[0], dict(LOCAL_MODULES[1], project_maps=False)]
    model = build(lakd(entries, project_maps=True), None, WIDE)
    found = gradients(model.double(), batch)
    assert model.distiller.teachings[0].projects
    assert any('teachings.1.connector' in name for name in found)
