"""Made distillers: local modules, recorders and what else a config names."""

import pytest
import torch
from conftest import LOCAL_MODULES, LOGITS_KD, classifier, lakd, total
from hypothesis import given
from hypothesis import strategies as st
from made import ODD, changed, fine_or_refused, made
from mmengine.config import Config
from mmengine.registry import MODELS
from mmpretrain.structures import DataSample

from mmrazor_lakd.config_check import check_config
from mmrazor_lakd.config_check.first_iteration import explained

NAMES = st.sampled_from(
    [
        *('backbone', 'backbone.layer1', 'backbone.layer1.preact'),
        *('backbone.layer2', 'backbone.layer2.preact', 'backbone.layer3'),
        *('backbone.layer1.0', 'backbone.layer1.0.bn2', 'backbone.conv1'),
        *('neck', 'neck.gap', 'head', 'head.fc', 'data_preprocessor'),
        *('', 'backbone.layer9', 'logits', 'hint', 'regressor', 'loss_kd'),
    ]
)
PARTS = st.sampled_from(
    [
        *(dict(type='LocalFeatureLoss'), dict(type='NDAMLoss', mode='match')),
        *(dict(type='LogitsKDLoss'), dict(type='AttentionTransferLoss')),
        dict(type='LocalClassifierLoss', kd_weight=0.0),
        dict(type='RelationalAngleLoss'),
        dict(type='SimilarityPreservingLoss'),
        dict(type='WarmupLoss', epochs=2, loss=dict(type='NDAMLoss')),
        dict(type='HintConnector'),
        dict(type='LocalModuleConnector', out_channels=3),
        *(dict(type='MarginConnector'), dict(type='ReviewConnector')),
        *(dict(type='LocalFeaturesLoss'), dict(loss_weight=1.0)),
    ]
)
VALUES = st.one_of(NAMES, PARTS, ODD, st.integers(-2, 5))


def outputs(source):
    return dict(type='ModuleOutputs', source=source)


def records(recorder, **options):
    """The arguments of a loss that compares two maps."""
    return dict(
        s_feature=dict(recorder=recorder, from_student=True, **options),
        t_feature=dict(recorder=recorder, from_student=False),
    )


HINT = outputs('backbone.layer2')
RIGHT = dict(
    boundaries=lakd(
        [
            dict(LOCAL_MODULES[0], isolate=True, connector=None),
            dict(
                LOCAL_MODULES[1],
                feature_loss=dict(type='LocalFeatureLoss', loss_weight=0.5),
                classifier_loss=dict(type='LocalClassifierLoss'),
            ),
        ],
        attention_loss=dict(type='NDAMLoss', kernel_size=3),
        progressive=dict(fraction=0.5),
        early_backward=True,
        half_maps=False,
        **LOGITS_KD,
    ),
    stages=lakd(
        dict(maps='preact', rest=dict(isolate=False), last=dict()),
        feed='student',
        input_size=32,
    ),
    number=dict(type='LAKDDistiller', num_modules=3, feed=dict(epochs=2)),
    hints=dict(
        type='FeatureDistiller',
        student_recorders=dict(hint=HINT),
        teacher_recorders=dict(hint=HINT),
        connectors=dict(regressor=dict(type='HintConnector')),
        distill_losses=dict(
            loss_hint=dict(type='LocalFeatureLoss', normalize='none')
        ),
        loss_forward_mappings=dict(
            loss_hint=records('hint', connector='regressor')
        ),
    ),
    review=dict(
        type='FeatureDistiller',
        stages=dict(
            maps='output',
            together=True,
            pooled=True,
            connector='review',
            first=1,
            last=-1,
        ),
        connectors=dict(review=dict(type='ReviewConnector')),
        distill_losses=dict(
            loss_review=dict(type='HierarchicalContextLoss', loss_weight=0.6)
        ),
    ),
    logits=dict(
        type='ConfigurableDistiller',
        student_recorders=dict(logits=outputs('head.fc')),
        teacher_recorders=dict(
            logits=dict(type='ModuleInputs', source='head.fc'),
            weight=dict(type='Parameter', source='head.fc.weight'),
        ),
        distill_losses=dict(loss_rkd=dict(type='RelationalDistanceLoss')),
        loss_forward_mappings=dict(
            loss_rkd=dict(
                preds_S=dict(
                    recorder='logits', from_student=True, record_idx=0
                ),
                preds_T=dict(
                    recorder='logits', from_student=False, data_idx=0
                ),
            )
        ),
    ),
)


def images():
    """A batch of two images and their labels."""
    generator = torch.Generator().manual_seed(1)
    samples = [DataSample().set_gt_label(label) for label in range(2)]
    return torch.randn(2, 3, 32, 32, generator=generator), samples


def take_a_step(distiller) -> None:
    """Check a config, build its model and take a step, as tools/train.py."""
    torch.manual_seed(0)
    cfg = Config(
        dict(
            default_scope='mmpretrain',
            model=dict(
                _scope_='mmrazor',
                type='FrozenTeacherDistill',
                architecture=classifier(8),
                teacher=classifier(14),
                distiller=distiller,
            ),
        )
    )
    with explained(cfg):
        check_config(cfg)
        model = MODELS.build(cfg.model)
        model.init_weights()
        losses = model.train()(*images(), mode='loss')
        loss = total(losses)
        loss.backward()
    assert loss.isfinite()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert parameter.grad.isfinite().all(), name


@pytest.mark.slow
@pytest.mark.parametrize('name', RIGHT)
def test_right_distillers(name):
    """What is changed below is right."""
    take_a_step(RIGHT[name])


@pytest.mark.parametrize('name', list(RIGHT))
@made(100)
@given(data=st.data())
def test_distillers(name, data):
    distiller = data.draw(changed(RIGHT[name], VALUES))
    with fine_or_refused():
        take_a_step(distiller)


ENTRIES = st.fixed_dictionaries(
    dict(student=NAMES, teacher=NAMES),
    optional=dict(
        isolate=st.booleans(),
        connector=st.one_of(st.none(), PARTS),
        feature_loss=st.one_of(st.none(), PARTS),
        attention_loss=st.one_of(st.none(), PARTS),
        classifier_loss=st.one_of(st.none(), PARTS),
    ),
)


@made(150)
@given(st.lists(ENTRIES, max_size=3))
def test_local_modules(entries):
    """Names in any order, also nested and twice, with any parts."""
    with fine_or_refused():
        take_a_step(lakd(entries))
