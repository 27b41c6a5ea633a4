"""Maps that are kept smaller give the losses of whole ones."""

import pytest
import torch
from conftest import classifier, lakd
from test_early_backward import STAGES, assert_equal, gradients, pair, resnet
from torch import nn

from mmrazor_lakd import SettingError


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
