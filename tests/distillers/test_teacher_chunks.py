"""A teacher in chunks gives the records of the whole batch."""

import copy
import random

import numpy as np
import pytest
import torch
from conftest import LOGITS_KD, classifier, lakd
from mmrazor.models.task_modules import RecorderManager
from test_early_backward import assert_equal, gradients, pair
from torch import nn

from mmrazor_lakd import SettingError
from mmrazor_lakd.algorithms.teacher_chunks import (
    Chunking,
    WholeBatchNeeded,
    run_in_chunks,
)
from mmrazor_lakd.tracing.live_memory import LiveMemory

KD = dict(type='ConfigurableDistiller', **LOGITS_KD)


@pytest.mark.parametrize('chunks', ['auto', 2, 3, 9])
@pytest.mark.parametrize(
    'distiller',
    [
        KD,
        lakd(**LOGITS_KD),
        lakd(classifier_loss=dict(type='LocalClassifierLoss')),
        lakd(feed='teacher'),
        lakd(half_maps=True),
    ],
    ids=['kd', 'lakd', 'classifier', 'fed', 'half'],
)
def test_a_teacher_in_chunks(build, batch, distiller, chunks):
    """Also in uneven ones, and in more than there are images."""
    student = classifier(14) if 'feed' in distiller else None
    plain, chunked = pair(build, distiller, student, teacher_chunks=chunks)
    for _ in range(2):
        expected = gradients(plain, batch)
        assert_equal(gradients(chunked, batch), expected)


@pytest.mark.parametrize('layer', ['backbone.layer1.preact', 'head'])
def test_a_chunk_is_all_that_a_teacher_holds(build, layer):
    distiller = copy.deepcopy(KD)
    distiller['teacher_recorders']['logits']['source'] = layer
    images = torch.randn(32, 3, 32, 32)
    peaks = []
    for chunks in (1, 8):
        model = build(copy.deepcopy(distiller), teacher_chunks=chunks)
        model._teacher_pass.chunks = Chunking(chunks)
        with torch.no_grad(), LiveMemory() as memory:
            model._teacher_pass(images, None)
        records = model.distiller.teacher_recorders.recorders['logits']
        kept = records.data_buffer[0].nbytes
        peaks.append(memory.peak - kept)
    # and the part of its own map, which is still to be copied
    assert peaks[1] <= (peaks[0] + kept) / 8


class Pairwise(nn.Module):
    """Compares each map with the one before it in the batch."""

    def forward(self, features):
        feature = features[0].mean((2, 3))
        return (feature - feature.roll(1, 0),)


def test_a_teacher_that_needs_its_whole_batch(build, batch):
    models = []
    for chunks in ('auto', 2):
        model = build(copy.deepcopy(KD), teacher_chunks=chunks)
        model.teacher.neck = Pairwise()
        models.append(model)
    with pytest.raises(SettingError, match="write teacher_chunks='auto', or"):
        models[1](*batch, mode='loss')
    models[0](*batch, mode='loss')
    assert models[0]._teacher_pass.chunks.number(8) == 1


def test_a_first_batch_of_one_image_shows_nothing(build, batch):
    model = build(copy.deepcopy(KD), teacher_chunks=2)
    model.teacher.neck = Pairwise()
    model.teacher.neck.register_forward_hook(
        lambda module, inputs, output: (output[0] + inputs[0][0].mean((2, 3)),)
    )
    model(batch[0][:1], batch[1][:1], mode='loss')
    with pytest.raises(SettingError, match='teacher_chunks=2, but what is'):
        model(*batch, mode='loss')


@pytest.mark.parametrize(
    'options, culprit',
    [
        (dict(teacher_train_mode=True), 'teacher_train_mode=True'),
        (dict(teacher_mode='loss'), "teacher_mode='loss'"),
    ],
)
def test_what_is_known_to_need_it(build, options, culprit):
    with pytest.raises(SettingError, match=f'{culprit} needs the whole'):
        build(lakd(), teacher_chunks=2, **options)
    assert build(lakd(), **options)._teacher_pass.chunks.number(8) == 1


@pytest.mark.parametrize('chunks', [0, -1, 2.0, True, 'many'])
def test_wrong_numbers_of_chunks(build, chunks):
    with pytest.raises(SettingError, match="write 'auto', or into how many"):
        build(lakd(), teacher_chunks=chunks)


class Structures(nn.Module):
    """Outputs of all forms, twice, and one tensor under two names."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Identity()
        self.same = nn.Identity()

    def forward(self, images, samples, whole=False):
        feature = self.same(self.inner(images * 2))
        self.inner(feature.flatten(2).repeat(3, 1, 1))
        return dict(a=(feature, [feature + 1, None]), b=samples, c=3, d='e')


def records(chunks, images, samples):
    model = Structures()
    manager = RecorderManager(
        {
            name: dict(_scope_='mmrazor', type=kind, source=source)
            for name, kind, source in (
                ('all', 'ModuleOutputs', ''),
                ('given', 'ModuleInputs', ''),
                ('inner', 'ModuleOutputs', 'inner'),
                ('same', 'ModuleOutputs', 'same'),
            )
        }
    )
    manager.initialize(model)

    def run(*batch):
        with manager:
            model(*batch)

    run_in_chunks(run, manager, images, samples, chunks)
    return {n: r.data_buffer for n, r in manager.recorders.items()}


def test_records_of_all_forms():
    images, samples = torch.randn(5, 2, 3, 3), list('abcde')
    whole, parts = (records(chunks, images, samples) for chunks in (1, 3))
    assert parts['same'][0] is parts['inner'][0]
    given = parts['given'][0]
    assert given[0] is images and given[1] is samples
    made, expected = parts['all'][0], whole['all'][0]
    assert made['b'] == samples and (made['c'], made['d']) == (3, 'e')
    assert made['a'][1][1] is None
    assert torch.equal(made['a'][0], expected['a'][0])
    assert torch.equal(made['a'][1][0], expected['a'][1][0])
    assert torch.equal(parts['inner'][0], whole['inner'][0])
    assert parts['inner'][1].shape == whole['inner'][1].shape


def test_the_number_of_chunks_follows_the_batch():
    """And not the first batch, which may be an epoch's last, smaller one."""
    assert [Chunking(3).number(size) for size in (1, 2, 128)] == [1, 2, 3]
    assert [Chunking(1, 8).number(size) for size in (8, 9, 128)] == [1, 2, 16]


def test_what_is_no_part_for_each_image():
    everything = dict(_scope_='mmrazor', type='ModuleOutputs', source='')
    manager = RecorderManager(dict(a=everything))
    for output in (lambda x: x.mean(), lambda x: x[:1].expand(3, 2)):
        model = nn.Module()
        model.forward = output
        manager.initialize(model)

        def run(images, samples, model=model):
            with manager:
                model(images)

        with pytest.raises(WholeBatchNeeded):
            run_in_chunks(run, manager, torch.ones(4, 2), None, 2)


def test_a_student_without_a_loss_in_eval_mode(build, batch):
    """As DINO of mmdetection, which makes its queries in training only."""
    model = build(copy.deepcopy(KD))
    head = model.student.head
    loss = head.loss

    def training_only(*args, **kwargs):
        assert head.training
        return loss(*args, **kwargs)

    head.loss = training_only
    model(*batch, mode='loss')
    assert model._teacher_pass.chunks.number(8) == 1


@pytest.mark.parametrize('draw', [random.random, np.random.rand, torch.rand])
def test_the_trial_leaves_the_random_state(build, batch, draw):
    following = []
    for chunks in (1, 'auto'):
        model = build(copy.deepcopy(KD), teacher_chunks=chunks)
        arguments = (1,) if draw is torch.rand else ()

        def draw_one(*inputs, arguments=arguments):
            draw(*arguments)

        model.student.register_forward_pre_hook(draw_one)
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        model(*batch, mode='loss')
        following.append(float(draw(*arguments)))
    assert following[0] == following[1]


def test_live_memory_counts_each_storage_once():
    weight = torch.ones(8, 8)
    with torch.no_grad(), LiveMemory() as memory:
        first = torch.ones(4, 8)
        second = first @ weight.t()  # a view of a weight allocates nothing
        first.add_(1).view(-1)
        del first
        torch.ones(4, 8)
    assert memory.peak == 2 * 4 * 8 * 4
    assert second.shape == (4, 8)
