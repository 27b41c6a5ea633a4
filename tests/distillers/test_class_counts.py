"""Numbers of classes: compared where logits are, and nowhere else."""

import pytest
import torch
from conftest import LOCAL_MODULES, LOGITS_KD, classifier, lakd, total
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import nn

from mmrazor_lakd import SettingError
from mmrazor_lakd.distillers.local_modules import check_models
from mmrazor_lakd.tracing.dry_run import dry_run

LABELS = dict(type='ModuleInputs', source='head.loss_module')
CLASSIFIER = dict(type='LocalClassifierLoss')
PAIR = dict(
    first=dict(recorder='logits', from_student=True),
    second=dict(recorder='logits', from_student=False),
)


def on_logits(type, first='preds_S', second='preds_T', labels=False, **loss):
    """A stock distiller's options: one loss between the logits."""
    options = {key: dict(LOGITS_KD[key]) for key in LOGITS_KD}
    mapping = {first: PAIR['first'], second: PAIR['second']}
    if labels:
        options['student_recorders']['labels'] = LABELS
        mapping['gt_labels'] = dict(
            recorder='labels', from_student=True, data_idx=1
        )
    options['distill_losses'] = dict(loss_kd=dict(type=type, **loss))
    options['loss_forward_mappings'] = dict(loss_kd=mapping)
    return options


LOSSES = [
    on_logits('KLDivergence'),
    on_logits('LogitsKDLoss'),
    on_logits('DKDLoss', labels=True),
    on_logits('DecoupledKDLoss', labels=True),
    on_logits('RefinedLogitsLoss', labels=True),
    on_logits('MultiLevelKDLoss', labels=True),
    on_logits('TeacherMatchingLoss'),
    on_logits('DISTLoss', 'logits_S', 'logits_T'),
    on_logits('StrongerTeacherLoss', 'logits_S', 'logits_T'),
    on_logits('WSLD', 'student', 'teacher', labels=True, num_classes=10),
    on_logits(
        'WarmupLoss',
        labels=True,
        loss=dict(type='DecoupledKDLoss'),
        iters=5,
    ),
]


@pytest.mark.parametrize(
    'type, options',
    [
        *(('ConfigurableDistiller', options) for options in LOSSES),
        ('LAKDDistiller', LOSSES[1]),
        ('LAKDDistiller', LOSSES[-1]),
    ],
)
def test_losses_between_logits(build, batch, type, options):
    """Before the first update; LAKD's, whose models are run, when built."""
    distiller = dict(type=type, **options)
    if type == 'LAKDDistiller':
        distiller = lakd(**options)
    loss = options['distill_losses']['loss_kd']
    name = loss.get('loss', loss)['type']
    message = (
        rf"teacher has 12 classes and the student 10, but 'loss_kd' \({name}\)"
        " compares the student's 'head.fc' with the teacher's 'head.fc'"
    )
    teacher = classifier(8, num_classes=12)
    with pytest.raises(SettingError, match=message):
        build(distiller, teacher=teacher)(*batch, mode='loss')
    images, samples = batch
    views = [*samples[:2], *samples[:2]]  # MLKD's, two of each image
    total(build(distiller)(images, views, mode='loss')).backward()


def test_maps_alone(build, batch):
    """A teacher that knows other classes may teach them."""
    model = build(lakd(), teacher=classifier(14, num_classes=100))
    losses = model(*batch, mode='loss')
    assert losses['distill.module1.loss'] > 0
    options = dict(
        LOGITS_KD,
        distill_losses=dict(loss_rkd=dict(type='RelationalDistanceLoss')),
        loss_forward_mappings=dict(
            loss_rkd=LOGITS_KD['loss_forward_mappings']['loss_kd']
        ),
    )
    for distiller in (
        lakd(**options),
        dict(type='FeatureDistiller', **options),
    ):
        model = build(distiller, teacher=classifier(8, num_classes=100))
        total(model(*batch, mode='loss')).backward()


def test_a_local_classifier(build, batch):
    teacher = classifier(8, num_classes=12)
    with pytest.raises(
        SettingError,
        match=r'teacher has 12 .* 10, but the classifier_loss of local_modules'
        r"\[0\] learns .* teacher's 'head' behind the student's 'backbone.lay",
    ):
        build(lakd(classifier_loss=CLASSIFIER), teacher=teacher)
    labels = dict(CLASSIFIER, kd_weight=0.0, label_weight=1.0)
    model = build(lakd(classifier_loss=labels), teacher=teacher)
    losses = model(*batch, mode='loss')
    assert losses['distill.module1.classifier'] > 0


@MODELS.register_module()
class MapsOfClasses(nn.Module):
    """A segmentor's kind of head: logits (N, K, H, W)."""

    def __init__(self, num_classes, in_channels):
        super().__init__()
        self.fc = nn.Conv2d(in_channels, num_classes, 1)

    def forward(self, feats):
        return self.fc(feats[-1])

    def loss(self, feats, data_samples):
        return dict(loss=self(feats).square().mean())


def segmentor(depth, num_classes, width=64):
    cfg = classifier(depth)
    cfg['neck'] = None
    cfg['head'] = dict(
        type='MapsOfClasses', num_classes=num_classes, in_channels=width
    )
    return cfg


def test_segmentors(build, batch):
    """Classes lie along dimension 1, whatever the width of the maps."""
    models = [MODELS.build(segmentor(8, 5)) for _ in range(2)]
    assert dry_run(models[0], [], 'student').logits == (1, 5, 8, 8)
    assert check_models(*models, [], 32)[1] == (None, None)
    teachers = [segmentor('8x4', 5, width=256), segmentor(8, 7)]
    model = build(lakd(**LOGITS_KD), segmentor(8, 5), teachers[0])
    total(model(*batch, mode='loss')).backward()
    for loss in ('KLDivergence', 'ChannelWiseDivergence'):
        with pytest.raises(SettingError, match='7 classes and the student 5'):
            build(lakd(**on_logits(loss)), segmentor(8, 5), teachers[1])
    with pytest.raises(SettingError, match='finds no number of classes'):
        build(
            lakd(classifier_loss=CLASSIFIER), *map(segmentor, (8, 8), (5, 5))
        )


def soft(batch):
    """What Mixup makes of a batch's labels."""
    samples = []
    for index in range(4):
        score = torch.zeros(10)
        score[index], score[index + 1] = 0.75, 0.25
        samples.append(DataSample().set_gt_label(index).set_gt_score(score))
    return batch[0], samples


@pytest.mark.parametrize('type', ['DecoupledKDLoss', 'LogitsKDLoss'])
def test_soft_labels_after_a_cut(build, batch, type):
    """They reach every loss, and one that needs indices says so."""
    student = classifier(8)
    student['head']['loss'] = dict(type='CrossEntropyLoss', use_soft=True)
    needs_indices = type == 'DecoupledKDLoss'
    options = on_logits(type, labels=needs_indices)
    model = build(lakd(**options, classifier_loss=CLASSIFIER), student)
    if needs_indices:
        with pytest.raises(SettingError, match='DecoupledKDLoss needs one.*M'):
            model(*soft(batch), mode='loss')
    else:
        total(model(*soft(batch), mode='loss')).backward()
        assert all(p.grad is not None for p in model.parameters())


@MODELS.register_module()
class LooksAtInputs(nn.Module):
    """A loss that takes whatever inputs are recorded."""

    def forward(self, taken, target):
        return (taken.mean() - target.mean()).square()


def inputs_of(source, data_idx=0):
    record = dict(taken=dict(type='ModuleInputs', source=source))
    side = dict(recorder='taken', data_idx=data_idx)
    return dict(
        student_recorders=record,
        teacher_recorders=dict(
            taken=dict(type='ModuleOutputs', source='head.fc')
        ),
        distill_losses=dict(loss_in=dict(type='mmpretrain.LooksAtInputs')),
        loss_forward_mappings=dict(
            loss_in=dict(
                taken=dict(side, from_student=True),
                target=dict(recorder='taken', from_student=False),
            )
        ),
    )


@pytest.mark.parametrize(
    'source, cut_off',
    [
        ('backbone.layer1.relu', True),  # the map itself
        ('backbone.layer2', True),  # behind a ReLU
        ('backbone.layer2.0.conv2', False),
        ('head.fc', False),
        ('backbone', False),  # the images, before any cut
        ('', False),
    ],
)
def test_inputs_after_a_cut(build, batch, source, cut_off):
    """Refused where they are a map that no weight of the module has made."""
    model = build(lakd(LOCAL_MODULES[:1], **inputs_of(source)))
    if cut_off:
        with pytest.raises(
            SettingError, match=f"'loss_in' looks at '{source}"
        ):
            model(*batch, mode='loss')
    else:
        total(model(*batch, mode='loss')).backward()
