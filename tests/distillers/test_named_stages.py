"""Stages in place of recorders and mappings: what they are written out to."""

import json

import pytest
import torch
from conftest import ROOT, classifier, lakd
from mmengine.config import Config

from mmrazor_lakd import SettingError
from mmrazor_lakd.backbones.stages import FOUR_STAGES, Stages
from mmrazor_lakd.benchmark.suite.suite import load_suite
from mmrazor_lakd.distillers.named_stages import expand_model, expand_stages

AT = dict(loss_at=dict(type='AttentionTransferLoss', loss_weight=1000.0))


def at(stages='output', **changes):
    return dict(
        type='FeatureDistiller', stages=stages, distill_losses=AT, **changes
    )


def test_one_loss_for_each_stage():
    wide = Stages(output='sum')
    assert expand_stages(at(), Stages(), wide) == dict(
        type='ConfigurableDistiller',
        student_recorders={
            f'stage{n}': dict(
                type='ModuleOutputs', source=f'backbone.layer{n}'
            )
            for n in (1, 2, 3)
        },
        teacher_recorders={
            f'stage{n}': dict(
                type='ModuleOutputs', source=f'backbone.layer{n}.sum'
            )
            for n in (1, 2, 3)
        },
        distill_losses={f'loss_at{n}': AT['loss_at'] for n in (1, 2, 3)},
        loss_forward_mappings={
            f'loss_at{n}': dict(
                s_feature=dict(recorder=f'stage{n}', from_student=True),
                t_feature=dict(recorder=f'stage{n}', from_student=False),
            )
            for n in (1, 2, 3)
        },
    )


@pytest.mark.parametrize('method', ['at', 'fitnet', 'ofd', 'reviewkd'])
def test_both_forms_train_alike(build, batch, method):
    path = ROOT / f'configs/_base_/distillers/{method}.py'
    short = Config.fromfile(path)[f'{method}_distiller'].to_dict()
    for loss in short['distill_losses'].values():
        loss.pop('epochs', None)  # no training is under way
        loss.update(iters=1) if 'loss' in loss else None
    written = expand_stages(short, Stages(), Stages())
    grads = []
    for distiller in (short, written):
        model = build(distiller, teacher=classifier('8x4', width=256))
        losses = model.loss(*batch)
        sum(v for k, v in losses.items() if 'loss' in k).backward()
        grads.append([p.grad for p in model.parameters()])
    for one, other in zip(*grads):
        assert one is other is None or torch.equal(one, other)


def test_a_decay_starts_from_the_weight_of_the_loss():
    """One that is given or is the class's own, also within another loss."""
    own = dict(type='SimilarityPreservingLoss')
    given = dict(type='PartialSquareLoss', loss_weight=2.0)
    for loss, last in ((own, 3000.0), (given, 2.0)):
        for wrapped in (loss, dict(type='WarmupLoss', iters=2, loss=loss)):
            written = expand_stages(
                dict(
                    type='FeatureDistiller',
                    stages=dict(maps='output', decay=0.5),
                    distill_losses=dict(loss_of=wrapped),
                ),
                Stages(),
                Stages(),
            )['distill_losses']
            found = [written[f'loss_of{n}'] for n in (1, 2, 3)]
            weights = [f.get('loss', f)['loss_weight'] for f in found]
            assert weights == [last / 4, last / 2, last]
            assert wrapped is loss or 'loss_weight' not in found[0]


def test_stages_are_counted_from_the_last_too():
    for stages, number in ((Stages(), 3), (FOUR_STAGES, 4)):
        written = expand_stages(
            at(dict(maps='output', first=-1)), stages, stages
        )
        (recorder,) = written['student_recorders'].values()
        assert recorder['source'] == f'backbone.layer{number}'


def test_boundaries_behind_stages():
    entries = dict(maps='preact', rest=dict(isolate=False))
    vgg = Stages(('layer0', *FOUR_STAGES.names), skipped=('layer0',))

    def modules(student, teacher, **changes):
        cfg = lakd({**entries, **changes})
        return expand_stages(cfg, student, teacher)['local_modules']

    first, second = modules(Stages(), Stages())
    assert first == dict.fromkeys(
        ('student', 'teacher'), 'backbone.layer1.preact'
    )
    assert second.pop('isolate') is False
    # LAKD cuts where the literature takes no map
    names = [entry['student'] for entry in modules(vgg, vgg)]
    assert names == [f'backbone.layer{n}.preact' for n in range(4)]
    assert len(modules(FOUR_STAGES, vgg)) == 3
    # as --cfg-options model.distiller.local_modules.1.isolate=True has it
    assert modules(Stages(), Stages(), **{'1': dict(isolate=True)})[1][
        'isolate'
    ]
    assert len(modules(Stages(), Stages(), last={})) == 3


@pytest.mark.parametrize(
    ('distiller', 'message'),
    [
        (at('preacts'), "stages has student='preacts'; write 'preact'"),
        (at(['layer1']), r"has stages=\['layer1'\]; write 'preact'"),
        (at(dict(map='output')), "unknown key 'map'; the nearest .*: maps"),
        (at(dict(maps='output', last=4)), 'first=1 and last=4, .* 1 to 3'),
        (
            dict(type='FeatureDistiller', stages='output'),
            'has no loss to compare the maps; give distill_losses one',
        ),
        (
            at(student_recorders=dict(stage2=dict(type='ModuleOutputs'))),
            "student_recorders has 'stage2', which stages='output' adds, too",
        ),
        (
            at(dict(maps='output', connector='align')),
            "the connector 'align', which is not among connectors",
        ),
        (lakd(dict(maps='preacts')), "local_modules has maps='preacts'"),
        (at(dict(maps='output', first='1')), "first='1', but a whole number"),
        (at(dict(maps='output', last=None)), 'last=None, but a whole number'),
        (at(dict(maps='output', first=True)), 'first=True, but a whole numb'),
        (at(dict(maps='output', pooled='no')), "pooled='no', but True or Fal"),
        (at(dict(maps='output', together=1)), 'together=1, but True or False'),
        (at(dict(maps='output', decay='half')), "decay='half', but a number"),
        (at(dict(maps='output', connector=5)), 'connector=5, but the name'),
        (lakd(dict(maps='preact', rest=5)), 'has rest=5; write a dict'),
        (lakd(dict(maps='preact', last=[1])), r'has last=\[1\]; write a dict'),
        (lakd({'maps': 'preact', '1': True}), 'has 1=True; write a dict'),
        (lakd({'maps': 'preact', '²': {}}), "unknown key '²'"),
        (lakd({'maps': 'preact', '2': {}}), 'an entry 2, .* 2 boundaries'),
    ],
)
def test_what_is_of_no_use_is_refused(build, distiller, message):
    with pytest.raises(SettingError, match=message):
        build(distiller)


def test_networks_without_common_stages_are_refused(build):
    plain = dict(classifier(8), backbone=dict(type='ResNet_CIFAR', depth=18))
    plain['head'] = dict(plain['head'], in_channels=512)
    with pytest.raises(SettingError, match=r'ResNet_CIFAR\) declares none'):
        build(at(), student=plain)
    with pytest.raises(SettingError, match='ends with the stage layer3 and'):
        expand_stages(at(), Stages(), FOUR_STAGES)
    model = dict(architecture=plain, teacher=classifier(8), distiller=at())
    with pytest.raises(SettingError, match=r'ResNet_CIFAR\) declares none'):
        expand_model(model)


def test_kept_results_belong_to_the_configs_of_today():
    """Their digest is that of configs with all stages written out."""
    kept = ROOT / 'docs/lab/results/cifar10_small/results.jsonl'
    lines = kept.read_text().splitlines()
    digests = {json.loads(line)['digest'] for line in lines}
    suite = load_suite(ROOT / 'configs/benchmark/cifar10_small.py', ROOT)
    found = {t.method for t in suite.students if t.digest in digests}
    assert found >= {'AT', 'FitNet', 'OFD', 'ReviewKD', 'LAKD, literal'}
    assert found >= {'LAKD', 'LAKD, fed a mixture'}
