"""What works with which family of models; see docs/en/families.md.

With WRITE_TABLE=1 the page's table is written anew. Segmentors and detectors
are tried where full mmcv and their packages are installed.
"""

import copy
import os
from pathlib import Path

import pytest
import torch
from families import families
from mmengine.config import Config, ConfigDict
from mmpretrain.structures import DataSample, MultiTaskDataSample
from mmrazor.registry import MODELS

from mmrazor_lakd import SettingError
from mmrazor_lakd.checkpoints.export import read_student
from mmrazor_lakd.checkpoints.model_configs import register_package
from mmrazor_lakd.tracing.passes import synthetic_samples

PAGE = Path(__file__).parents[2] / 'docs/en/families.md'
WAYS = ('written cut', 'num_modules=3', 'KD', 'export')
FAMILIES = {
    (kind, name): family
    for kind, members in families().items()
    for name, family in members.items()
}
#: families for which a way ends in a sentence, with a part of it
REFUSED = {
    ('Conformer', 'written cut'): 'information passes around it',
    ('Conformer', 'num_modules=3'): 'cut behind 1 of its blocks',
    ('SimSiam', 'written cut'): 'one tensor of images',
    ('SimSiam', 'num_modules=3'): 'one tensor of images',
    ('MoCo', 'written cut'): 'one tensor of images',
    ('MoCo', 'num_modules=3'): 'one tensor of images',
    ('MAE', 'written cut'): "don't cover images",
    ('MAE', 'num_modules=3'): "don't cover images",
}


def build(family, distiller):
    """A distillation from a teacher of the same family, and its student."""
    register_package(family.package)
    torch.manual_seed(0)
    network = ConfigDict(family.model, _scope_=family.package)
    model = MODELS.build(
        dict(
            _scope_='mmrazor',
            type='FrozenTeacherDistill',
            architecture=copy.deepcopy(network),
            teacher=copy.deepcopy(network),
            distiller=dict(input_size=family.size, **distiller),
        )
    )
    return model.train()


def samples_of(model, family, images):
    """Labels of the kind that the student takes."""
    made = synthetic_samples(model.student, images)
    if made is not None:
        return made
    head = family.model.get('head', {}).get('type', '')
    if 'MultiTask' in head:
        made = [MultiTaskDataSample() for _ in images]
        for sample in made:
            for task in ('kind', 'colour'):
                sample.set_field(DataSample().set_gt_label(1), task)
        return made
    labels = [1, 2] if 'MultiLabel' in head or 'CSRA' in head else 1
    return [DataSample().set_gt_label(labels) for _ in images]


def gradients(model, family):
    """The gradients of one step, by parameter."""
    torch.manual_seed(1)
    model.zero_grad()
    images = torch.randn(2, 3, family.size, family.size)
    given = images
    if family.model['type'] in ('SimSiam', 'MoCo'):
        given = [images, images.flip(3)]
    samples = samples_of(model, family, images)
    total, _ = model.parse_losses(model(given, samples, mode='loss'))
    total.backward()
    return {n: p.grad for n, p in model.named_parameters() if p.requires_grad}


def teaches(family, **distiller):
    """One step, whose early gradients must be those of the summed losses."""
    model = build(family, dict(type='LAKDDistiller', **distiller))
    found = []
    for early in (True, False):
        model.distiller.early_backward = early
        found.append(gradients(model, family))
    early, summed = found
    assert any(grad is not None for grad in early.values())
    for name, grad in summed.items():
        if grad is None:
            assert early[name] is None or not early[name].any(), name
        else:
            torch.testing.assert_close(early[name], grad, rtol=1e-4, atol=1e-6)


def written_cut(family, tmp_path):
    teaches(
        family, local_modules=[dict(student=family.cut, teacher=family.cut)]
    )


def three_modules(family, tmp_path):
    teaches(family, num_modules=3)


def logits_kd(family, tmp_path):
    """KD of the logits, or CWD of a segmentor's."""
    if family.logits is None:
        pytest.skip('no logits (N, K)')
    kind = 'KLDivergence'
    if family.package == 'mmseg':
        kind = 'ChannelWiseDivergence'
    recorder = dict(logits=dict(type='ModuleOutputs', source=family.logits))
    model = build(
        family,
        dict(
            type='FeatureDistiller',
            student_recorders=recorder,
            teacher_recorders=recorder,
            distill_losses=dict(loss_kd=dict(type=kind)),
            loss_forward_mappings=dict(
                loss_kd=dict(
                    preds_S=dict(recorder='logits', from_student=True),
                    preds_T=dict(recorder='logits', from_student=False),
                )
            ),
        ),
    )
    assert any(g is not None for g in gradients(model, family).values())


def exported(family, tmp_path):
    """The student alone gives what it gave in the distillation."""
    model = build(family, dict(type='LAKDDistiller', num_modules=1))
    path = tmp_path / 'lakd.py'
    Config(
        dict(
            default_scope=family.package,
            custom_imports=dict(imports=['mmrazor_lakd']),
            model=dict(
                type='mmrazor.FrozenTeacherDistill',
                architecture=copy.deepcopy(family.model),
                teacher=copy.deepcopy(family.model),
                distiller=dict(type='mmrazor.LAKDDistiller', num_modules=1),
            ),
        ),
    ).dump(path)
    cfg = Config.fromfile(path)
    path = tmp_path / 'distillation.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    student = read_student(cfg, str(path)).model
    images = torch.randn(2, 3, family.size, family.size)
    with torch.no_grad():
        own = model.student.eval().extract_feat(images)
        alone = student.extract_feat(images)
    torch.testing.assert_close(alone, own, rtol=0, atol=0)


TRIED = dict(zip(WAYS, (written_cut, three_modules, logits_kd, exported)))
TABLE = {}


@pytest.mark.slow
@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize(
    'kind, name', FAMILIES, ids=[name for _, name in FAMILIES]
)
def test_family(kind, name, way, tmp_path):
    expected = REFUSED.get((name, way))
    try:
        TRIED[way](FAMILIES[kind, name], tmp_path)
    except pytest.skip.Exception as skipped:
        TABLE[kind, name, way] = str(skipped)
        raise
    except (SettingError, RuntimeError) as error:
        TABLE[kind, name, way] = f'fails: {error}'
        if isinstance(error, SettingError):
            TABLE[kind, name, way] = f'refused: {error}'
        if expected is None:
            raise
        assert expected in str(error)
        return
    TABLE[kind, name, way] = 'yes'
    assert expected is None, 'it works; take it out of REFUSED'


@pytest.fixture(scope='module', autouse=True)
def write_table():
    """Write what was found into the page, if asked to."""
    yield
    if os.environ.get('WRITE_TABLE') and TABLE:
        text = PAGE.read_text()
        for kind in {kind for kind, _, _ in TABLE}:
            before, after = (f'<!-- {kind}{end} -->' for end in ('', ' end'))
            start = text.index(before) + len(before)
            rows = [f'| {kind} | {" | ".join(WAYS)} |', '|---' * 5 + '|']
            rows += [
                f'| {name} | '
                + ' | '.join(TABLE.get((kind, name, way), '') for way in WAYS)
                + ' |'
                for k, name in FAMILIES
                if k == kind
            ]
            table = '\n'.join(rows)
            end = text.index(after)
            text = f'{text[:start]}\n{table}\n{text[end:]}'
        PAGE.write_text(text)
