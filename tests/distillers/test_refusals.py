"""Wrong distillers are refused when they are built, in one sentence."""

import copy

import pytest
from conftest import LOCAL_MODULES, classifier, lakd, total
from mmpretrain.registry import MODELS as MMPRETRAIN
from torch import nn

from mmrazor_lakd import SettingError
from mmrazor_lakd.distillers import LAKDDistiller

FIRST, SECOND = LOCAL_MODULES


def entry(student='backbone.layer1', teacher='backbone.layer1', **kwargs):
    return dict(student=student, teacher=teacher, **kwargs)


@MMPRETRAIN.register_module()
class TupleStageResNet(MMPRETRAIN.get('CIFARResNet')):
    """A network with a stage that never runs, and one that runs twice."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.spare = nn.Conv2d(3, 3, 1)
        self.shared = nn.ReLU()

    def forward(self, x):
        return super().forward(self.shared(self.shared(x)))


@pytest.mark.parametrize(
    'entries, message',
    [
        (
            [entry(student='backbone.layer_1')],
            "student has no module 'backbone.layer_1'.*backbone.layer1",
        ),
        (
            [entry(teacher='backbone.stage1')],
            "teacher has no module 'backbone.stage1'; the nearest names are",
        ),
        ([entry(), entry()], "'backbone.layer1' is given twice"),
        (
            [
                entry('backbone.layer2', 'backbone.layer1'),
                entry('backbone.layer1', 'backbone.layer2'),
            ],
            "student's module 'backbone.layer1' runs before 'backbone.layer2'",
        ),
        (
            [
                entry('backbone.layer1', 'backbone.layer2'),
                entry('backbone.layer2', 'backbone.layer1'),
            ],
            "teacher's module 'backbone.layer1' runs before",
        ),
        ([entry(teacher='backbone')], "'backbone' gives a tuple"),
        ([entry(teacher='head.fc')], r'a tensor of shape \(1, 10\)'),
        ([dict(student='backbone.layer1')], r'\[0\] lacks .*teacher'),
        ([entry(isolated=False)], r"has \['isolated'\]"),
        ([FIRST, dict(SECOND, student=FIRST['student'])], r'\[1\].*twice'),
    ],
)
def test_wrong_modules(build, entries, message):
    with pytest.raises(SettingError, match=message):
        build(lakd(entries))


@pytest.mark.parametrize(
    'name, message',
    [
        ('backbone.spare', "'backbone.spare' never runs"),
        ('backbone.shared', "'backbone.shared' runs 2 times"),
    ],
)
@pytest.mark.parametrize('role', ['student', 'teacher'])
def test_modules_that_give_no_single_map(build, role, name, message):
    model = classifier(8)
    model['backbone']['type'] = 'TupleStageResNet'
    with pytest.raises(SettingError, match=f'{role}.*{message}'):
        build(lakd([entry(**{role: name})]), **{role: model})


@pytest.mark.parametrize(
    'connector, message',
    [
        (None, '16 channels and the teacher.s 64, but connector=None gives'),
        (
            dict(type='LocalModuleConnector', out_channels=32),
            'connector=LocalModuleConnector gives 32',
        ),
        (
            dict(type='ConvModuleConnector', in_channel=32, out_channel=64),
            'connector=ConvModuleConnector fails',
        ),
    ],
)
def test_connectors_that_do_not_align(build, connector, message):
    with pytest.raises(SettingError, match=message):
        build(
            lakd([entry()], connector=connector),
            teacher=classifier('8x4', width=256),
        )


@pytest.mark.parametrize('widths', [{}, dict(in_channel=16, out_channel=64)])
def test_mmrazors_connectors_do(build, batch, widths):
    connector = dict(type='ConvModuleConnector', **widths)
    model = build(
        lakd([entry(connector=connector)]),
        teacher=classifier('8x4', width=256),
    )
    assert model(*batch, mode='loss')['distill.module1.feature'] > 0


def step(model, batch):
    return total(model.train()(*batch, mode='loss'))


def test_a_cut_module_that_nothing_teaches(build, batch):
    untaught = dict(feature_loss=None, attention_loss=None)
    model = build(lakd([FIRST, dict(SECOND, **untaught)]))
    with pytest.raises(SettingError, match=r'\[1\] is cut off and nothing'):
        step(model, batch)
    model = build(lakd([dict(FIRST, isolate=False), dict(SECOND, **untaught)]))
    step(model, batch).backward()  # the map before teaches it


def looks_at(source):
    """AT on the first stage, beside a cut at its map before the ReLU."""
    record = dict(layer=dict(type='ModuleOutputs', source=source))
    mapping = dict(
        s_feature=dict(recorder='layer', from_student=True),
        t_feature=dict(recorder='layer', from_student=False),
    )
    cut = 'backbone.layer1.preact'
    return lakd(
        [entry(cut, cut)],
        student_recorders=record,
        teacher_recorders=record,
        distill_losses=dict(loss_at=dict(type='AttentionTransferLoss')),
        loss_forward_mappings=dict(loss_at=mapping),
    )


def test_a_stock_loss_right_after_a_cut(build, batch):
    with pytest.raises(SettingError, match="'loss_at' looks at 'backbone.la"):
        step(build(looks_at('backbone.layer1')), batch)
    for source in ('backbone.layer1.preact', 'backbone.layer2'):
        step(build(looks_at(source)), batch).backward()


def test_a_boundary_that_is_not_run(build, batch):
    model = build(lakd())
    # what sync_bn does to a batch normalisation: a new module, without hooks
    model.student.backbone.layer1 = copy.deepcopy(
        model.student.backbone.layer1
    )
    model.student.backbone.layer1.preact._forward_hooks.clear()
    with pytest.raises(
        SettingError, match="not run 'backbone.layer1.preact' in"
    ):
        step(model, batch)


def test_a_forgotten_mapping(build):
    loss = dict(loss_at=dict(type='AttentionTransferLoss'))
    with pytest.raises(SettingError, match="'loss_at' has no entry in loss_"):
        build(lakd(distill_losses=loss))


@pytest.mark.parametrize(
    'source, message',
    [
        ('backbone', "student's 'hint' gives a tuple.*data_idx=0"),
        ('head.loss_module', "student's 'hint' took nothing"),
    ],
)
def test_a_connector_without_a_map(build, source, message):
    record = dict(hint=dict(type='ModuleOutputs', source=source))
    mapping = dict(
        s_feature=dict(recorder='hint', from_student=True, connector='hint'),
        t_feature=dict(recorder='hint', from_student=False),
    )
    with pytest.raises(SettingError, match=message):
        build(
            lakd(
                student_recorders=record,
                teacher_recorders=record,
                connectors=dict(hint=dict(type='HintConnector')),
                distill_losses=dict(loss_hint=dict(type='LocalFeatureLoss')),
                loss_forward_mappings=dict(loss_hint=mapping),
            )
        )


@pytest.mark.parametrize(
    'options, message',
    [
        (
            dict(isolate='no'),
            "LAKDDistiller has isolate='no'; .*isolate=False",
        ),
        (dict(early_backward=0), 'has early_backward=0; write early_backward'),
        (dict(connector='LocalModuleConnector'), "connector=dict.type='...'"),
        (dict(feature_loss=True), 'has feature_loss=True; write a config'),
        (dict(attention_loss=dict(loss_weight=1.0)), 'has attention_loss={'),
        (dict(classifier_loss=[]), r'has classifier_loss=\[\]; .*or None'),
        (dict(local_modules='backbone.layer1'), 'write a list of boundaries'),
        (dict(local_modules=dict(FIRST)), 'write a list of boundaries'),
        (dict(local_modules=['backbone.layer1']), 'write a list of boundarie'),
        (
            dict(local_modules=[FIRST, dict(SECOND, isolate='False')]),
            r"local_modules\[1\] has isolate='False'",
        ),
        (
            dict(local_modules=[dict(FIRST, connector='hint')]),
            r"local_modules\[0\] has connector='hint'",
        ),
        (
            dict(local_modules=[dict(FIRST, student=None)]),
            r'local_modules\[0\] has student=None; write the name of a mod',
        ),
        (dict(input_size='32'), "has input_size='32'; write the images' side"),
        (dict(input_size=(32, 0)), 'has input_size=.32, 0.; write the image'),
        (dict(progressive=0.5), 'progressive takes one positive length'),
        (dict(progressive=True), 'progressive takes one positive length'),
        (dict(progressive=dict(part=0.5)), 'progressive takes one positive'),
        (dict(feed=0.5), "no feed=0.5; choose one of 'student', 'teacher'"),
        (dict(feed=None), 'no feed=None; choose one of'),
        (dict(feed=['student']), 'no feed=.*; choose one of'),
        (dict(feed=dict(fraction='half')), 'feed takes one positive length'),
    ],
    ids=str,
)
def test_options_of_a_wrong_type(options, message):
    with pytest.raises(SettingError, match=message):
        LAKDDistiller(**{'local_modules': [FIRST], **options})


WINDOW = dict(type='NDAMLoss', kernel_size=9)


def test_a_window_larger_than_the_map(build, batch):
    """Of the images in training, or of those that input_size promises."""
    distiller = lakd([entry('backbone.layer3', 'backbone.layer3')])
    message = "kernel_size=9, but the maps of 'backbone.layer3' and 'backbone"
    for loss in (WINDOW, dict(type='WarmupLoss', iters=2, loss=WINDOW)):
        distiller.update(attention_loss=loss, isolate=False)
        model = build(distiller)
        with pytest.raises(SettingError, match=f'{message}.*8x8; .*at most 7'):
            step(model, batch)
    larger = nn.functional.interpolate(batch[0], (36, 40))
    step(build(distiller), (larger, batch[1])).backward()
    with pytest.raises(SettingError, match=message):
        build(dict(distiller, input_size=32))
    build(dict(distiller, input_size=64))


def test_image_size_that_does_not_fit(build):
    with pytest.raises(SettingError, match='takes no image of .*input_size'):
        student = dict(
            _scope_='mmpretrain',
            type='ImageClassifier',
            backbone=dict(type='LeNet5', num_classes=10),
            head=dict(type='ClsHead'),
        )
        build(lakd([entry('backbone.features')], input_size=8), student)


@pytest.mark.parametrize(
    'options', [{}, dict(local_modules=[], num_modules=2)]
)
def test_either_a_list_or_a_number(build, options):
    with pytest.raises(SettingError, match='either local_modules.*num_mod'):
        build(dict(type='LAKDDistiller', **options))


def test_a_choice_of_cuts_of_which_none_is_made(build):
    chosen = dict(type='LAKDDistiller', isolate=False)
    with pytest.raises(SettingError, match='num_modules=3 and isolate=False'):
        build(dict(chosen, num_modules=3))
    build(dict(chosen, num_modules=1))


def test_a_cut_that_a_shortcut_passes_around(build):
    entry = dict(
        student='backbone.layer1.0.bn1', teacher='backbone.layer1.0.bn1'
    )
    with pytest.raises(SettingError, match="cut behind 'backbone.layer1.0.bn"):
        build(lakd([entry]))
    build(lakd([dict(entry, isolate=False)]))
