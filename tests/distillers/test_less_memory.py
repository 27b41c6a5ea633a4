"""The options that save memory give the gradients of the plain step."""

import copy
import random

import numpy as np
import pytest
import torch
from conftest import LOGITS_KD, classifier, lakd
from mmrazor.models.task_modules import RecorderManager
from test_early_backward import STAGES, assert_equal, gradients, resnet
from torch import nn

from mmrazor_lakd import SettingError
from mmrazor_lakd.algorithms.teacher_chunks import (
    Chunking,
    WholeBatchNeeded,
    run_in_chunks,
)
from mmrazor_lakd.distillers.activation_checkpointing import renewed
from mmrazor_lakd.tracing.live_memory import LiveMemory

KD = dict(type='ConfigurableDistiller', **LOGITS_KD)
BOTH = ['blocks', 'stem']


def imagenet_stem():
    """A ResNet18 with the stem for large images, narrow."""
    cfg = resnet()
    cfg['backbone']['type'] = 'ResNet'
    return cfg


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
        model._chunks = Chunking(chunks)
        with torch.no_grad(), LiveMemory() as memory:
            model._run_teacher(images, None)
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
    assert models[0]._chunks.number(8) == 1


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
    assert build(lakd(), **options)._chunks.number(8) == 1


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


def test_larger_maps_are_pooled_at_once(build, batch):
    """A teacher of twice the size: 4 times the values are never kept."""
    student, teacher = resnet(), resnet()
    student['backbone']['stem_channels'] = 16
    student['backbone']['strides'] = (2, 2, 2, 2)
    kept = []
    models = pair(build, lakd(STAGES), student, teacher, teacher_chunks=2)
    models[0].distiller.teachings.apply(
        lambda part: (
            part.kept._compared.clear() if hasattr(part, 'kept') else None
        )
    )
    plain, pooled = models
    plain.distiller.teachings[0].kept.note_compared = lambda *sizes: None
    for model in models:
        recorder = model.distiller.teachings[0].kept
        own = type(recorder).data_buffer.fget(recorder)
        assert own == []
        model.student.backbone.conv1.register_forward_hook(
            lambda module, inputs, output, recorder=recorder: (
                kept.append(recorder.data_buffer[0].shape[-1])
                if recorder.data_buffer
                else None
            )
        )
    expected = gradients(plain, batch)
    assert_equal(gradients(pooled, batch), expected)
    assert kept[0] == 2 * kept[-1]


def test_half_maps_are_kept_in_half(build, batch):
    model = build(lakd(half_maps=True))
    dtypes = set()
    kept = model.distiller.teachings[0].kept
    model.student.backbone.register_forward_pre_hook(
        lambda *args: dtypes.update(map_.dtype for map_ in kept.data_buffer)
    )
    losses = model(*batch, mode='loss')
    assert dtypes == {torch.bfloat16}
    plain = build(lakd())
    for name, value in plain(*batch, mode='loss').items():
        torch.testing.assert_close(losses[name], value, rtol=1e-2, atol=1e-2)


def test_half_maps_need_maps(build):
    with pytest.raises(SettingError, match='but no local module compares'):
        build(lakd([], half_maps=True))


def test_half_maps_can_not_be_fed(build):
    with pytest.raises(SettingError, match='half_maps=True and feed='):
        build(lakd(half_maps=True, feed='teacher'), classifier(14))


@pytest.mark.parametrize('parts', [['blocks'], ['stem'], BOTH])
@pytest.mark.parametrize(
    'distiller, student',
    [
        (KD, None),
        (lakd(**LOGITS_KD), None),
        (lakd(STAGES), resnet()),
        (KD, imagenet_stem()),
    ],
    ids=['kd', 'lakd', 'stages', 'large-stem'],
)
def test_recomputed_parts(build, batch, distiller, student, parts):
    """Gradients and running statistics are those of the plain step."""
    teacher = student and resnet()
    models = pair(build, distiller, student, teacher, recompute=parts)
    for _ in range(2):
        expected = gradients(models[0], batch)
        assert_equal(gradients(models[1], batch), expected)
    plain, recomputed = (dict(model.named_buffers()) for model in models)
    assert set(plain) == set(recomputed)
    for name, value in plain.items():
        torch.testing.assert_close(
            recomputed[name], value, rtol=1e-12, atol=1e-14, msg=name
        )
    images = batch[0].double()
    with torch.no_grad():
        plain, recomputed = (m.student.eval()(images) for m in models)
    torch.testing.assert_close(recomputed, plain, rtol=1e-12, atol=1e-14)


def test_recomputed_parts_can_be_copied(build, batch):
    model = build(lakd(STAGES), resnet(), resnet(), recompute=BOTH).double()
    gradients(model, batch)
    copied = copy.deepcopy(model)
    assert_equal(gradients(copied, batch), gradients(model, batch))
    stem = copied.student.backbone.conv1.forward.args
    assert stem[0] is copied.student.backbone.conv1


def test_a_stem_is_computed_group_by_group(build):
    """With its maps of one group alone in memory."""
    model = build(copy.deepcopy(KD), imagenet_stem(), resnet())
    plain = build(copy.deepcopy(KD), imagenet_stem(), resnet())
    model.recompute = ['stem']
    images = torch.randn(2, 3, 64, 64)
    saved = []
    for one in (plain, model):
        one._prepare(images, None)
        kept = {}

        def pack(tensor, kept=kept):
            kept[tensor.data_ptr()] = tensor.nbytes
            return tensor

        backbone = one.student.backbone
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            feature = backbone.relu(backbone.norm1(backbone.conv1(images)))
            backbone.maxpool(feature).sum().backward()
        saved.append(sum(kept.values()))
    # the images alone, in place of three maps and the pooling's places
    assert saved[1] == images.nbytes < saved[0] / 4


@pytest.mark.parametrize(
    'distiller, student, parts, message',
    [
        (KD, None, 'stem', 'write a list of what'),
        (KD, None, ['body'], 'write a list of what'),
        (
            lakd(
                [
                    dict(
                        student='backbone.bn1',
                        teacher='backbone.layer1',
                    )
                ]
            ),
            imagenet_stem(),
            ['stem'],
            "'backbone.bn1' is recorded or cut behind",
        ),
        (
            lakd(
                [
                    dict(
                        student='backbone.layer1.0.conv1',
                        teacher='backbone.layer1',
                        isolate=False,
                    )
                ]
            ),
            resnet(),
            ['blocks'],
            "lies in 'backbone.layer1.0', whose",
        ),
    ],
)
def test_what_can_not_be_recomputed(
    build, batch, distiller, student, parts, message
):
    with pytest.raises(SettingError, match=message):
        model = build(
            copy.deepcopy(distiller),
            copy.deepcopy(student),
            student and resnet(),
            recompute=parts,
        )
        model(*batch, mode='loss')


def test_a_frozen_stem_keeps_nothing(build, batch):
    student = imagenet_stem()
    student['backbone'].update(frozen_stages=1)
    model = build(copy.deepcopy(KD), student, resnet(), recompute=['stem'])
    with pytest.raises(SettingError, match="'backbone.conv1' is frozen"):
        model(*batch, mode='loss')


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


def wide_resnet():
    """WRN-16-1, whose first shortcut takes the bare convolution's map."""
    cfg = classifier(16)
    cfg['backbone'].update(type='CIFARWideResNet', widen_factor=1)
    return cfg


def standardised():
    """A ResNet18 whose convolutions standardise their weights."""
    cfg = imagenet_stem()
    cfg['backbone']['conv_cfg'] = dict(type='ConvWS')
    return cfg


def before_the_pooling():
    """KD that records the input of the stem's pooling."""
    distiller = copy.deepcopy(KD)
    distiller['student_recorders']['map'] = dict(
        type='ModuleInputs', source='backbone.maxpool'
    )
    return distiller


@pytest.mark.parametrize(
    'distiller, student, message',
    [
        (KD, wide_resnet(), 'also uses an inner map of it'),
        (KD, standardised(), "doesn't begin with an nn.Conv2d"),
        (before_the_pooling(), imagenet_stem(), 'or a recorder does'),
    ],
    ids=['shortcut', 'other-convolution', 'recorder'],
)
def test_a_stem_that_computes_more(build, batch, distiller, student, message):
    """It is refused, where its gradients would be wrong."""
    model = build(
        copy.deepcopy(distiller), copy.deepcopy(student), recompute=['stem']
    )
    with pytest.raises(SettingError, match=message):
        model(*batch, mode='loss')


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
    assert model._chunks.number(8) == 1


def unpooled(model):
    """The same model, whose teacher's maps wait in their own size."""
    for part in model.distiller.teachings:
        part.kept._compared.clear()
        part.kept.note_compared = lambda *sizes: None


def half_the_size():
    """A student whose maps are half as large as its teacher's."""
    cfg = resnet()
    cfg['backbone'].update(strides=(2, 2, 2, 2))
    return cfg


def vgg():
    """A VGG11, which rounds odd sizes down, where a ResNet rounds them up."""
    cfg = resnet()
    cfg['backbone'] = dict(type='VGG', depth=11, norm_cfg=dict(type='BN'))
    cfg['head']['in_channels'] = 512
    return cfg


UPSAMPLED = dict(
    student='backbone.layer1',
    teacher='backbone.layer1',
    connector=dict(type='HintConnector'),
)
ODD = dict(student='backbone.features.3', teacher='backbone.layer2')


@pytest.mark.parametrize(
    'student, entry, sizes',
    [(half_the_size(), UPSAMPLED, (32, 32)), (vgg(), ODD, (33, 34, 33, 34))],
    ids=['enlarged-by-the-connector', 'odd'],
)
def test_maps_pooled_at_once_are_those_of_the_boundary(
    build, batch, student, entry, sizes
):
    plain, pooled = pair(build, lakd([entry]), student, resnet())
    unpooled(plain)
    for size in sizes:
        images = nn.functional.interpolate(batch[0], (size, size))
        found = [gradients(m, (images, batch[1])) for m in (plain, pooled)]
        for grads in found:  # but rounding, before a normalisation
            for name in [name for name in grads if 'conv.bias' in name]:
                del grads[name]
        assert_equal(found[1], found[0])


def test_half_maps_are_the_same_in_the_first_step(build, batch):
    """Before the size is known, so that a resumed training goes on alike."""
    distiller = lakd(STAGES, half_maps=True)
    first, known = pair(build, distiller, half_the_size(), resnet())
    unpooled(first)
    assert_equal(gradients(first, batch), gradients(known, batch))


def test_float16_is_no_more_than_half(build):
    model = build(lakd(half_maps=True))
    kept = model.distiller.teachings[0].kept
    assert kept.rounded(torch.ones(1).half()).dtype == torch.float16


def test_a_training_resumed_after_its_distillation(build, batch):
    """Without a step of it, the student is recomputed all the same."""
    model = build(lakd(STAGES), resnet(), resnet(), recompute=['blocks'])
    model.distillation_stopped = True
    model(*batch, mode='loss')
    assert 'backbone.layer4.0' in renewed(model.student)


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
