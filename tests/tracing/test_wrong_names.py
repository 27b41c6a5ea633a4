"""Networks that lack what is recorded, and that can't be run."""

import pytest
from conftest import LOGITS_KD, classifier, lakd
from mmpretrain.registry import MODELS
from networks_to_cut import network, vit
from torch import nn

from mmrazor_lakd import SettingError
from mmrazor_lakd.tracing.dry_run import find_image

FC = dict(type='ModuleOutputs', source='head.fc')
WRONG = dict(type='ModuleInputs', source='head.linear')


@pytest.mark.parametrize(
    'type, algorithm',
    [
        ('ConfigurableDistiller', 'FrozenTeacherDistill'),
        ('FeatureDistiller', 'SingleTeacherDistill'),
        ('LAKDDistiller', 'SingleTeacherDistill'),
    ],
)
@pytest.mark.parametrize('role', ['student', 'teacher'])
def test_recorders_of_modules_that_are_not_there(build, type, algorithm, role):
    options = dict(LOGITS_KD)
    options[f'{role}_recorders'] = dict(logits=WRONG)
    distiller = dict(type=type, **options)
    if type == 'LAKDDistiller':
        distiller = lakd(**options)
    message = (
        f"{role}_recorders: 'logits' records the module 'head.linear', which "
        f"the {role} doesn't have; the nearest names are: head.fc"
    )
    with pytest.raises(SettingError, match=message):
        build(distiller, type=algorithm)


def test_a_vision_transformers_head(build):
    """A classifier of another name than most have, and a parameter."""
    options = dict(LOGITS_KD, student_recorders=dict(logits=FC))
    distiller = dict(type='ConfigurableDistiller', **options)
    with pytest.raises(SettingError, match='the student.*head.layers.head'):
        build(distiller, student=vit())
    distiller['student_recorders'] = dict(
        logits=dict(type='Parameter', source='head.fc.weights')
    )
    with pytest.raises(SettingError, match='the parameter .*: head.fc.weight'):
        build(distiller)


@pytest.mark.parametrize('role', ['student', 'teacher'])
def test_a_head_of_another_width(build, role):
    """It isn't the image that is wrong."""
    message = (
        f"The {role}'s 'head.fc' .Linear. takes 512 channels, but gets 64 "
        f"from .*; set head.in_channels=64 in the {role}'s config"
    )
    with pytest.raises(SettingError, match=message):
        build(lakd(), **{role: classifier(8, width=512)})


def test_a_width_is_told_from_one_that_depends_on_the_image():
    """At one size; a classifier behind a flattened map wants another."""
    wrong = vit()
    wrong.head.layers.head = nn.Linear(48, 10)
    with pytest.raises(SettingError, match="'head.layers.head'.*takes 48"):
        find_image(wrong, 'student', 32)
    flat = network('LeNet5', 10, num_classes=10)
    flat.neck, flat.head = None, MODELS.build(dict(type='ClsHead'))
    with pytest.raises(
        SettingError,
        match='takes no image of 64x64 pixels and 1 or 3 channels, since it '
        'fails in '
        r"'backbone.classifier.0' \(Linear\) of an input \(120, 9, 9\): "
        'mat1.*; set input_size',
    ):
        find_image(flat, 'student', 64)
