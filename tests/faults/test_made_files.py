"""Made checkpoints and suites."""

import pytest
import torch
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from made import ODD, TEXTS, changed, fine_or_refused, made
from torch import nn

from mmrazor_lakd.benchmark.suite.suite import load_suite
from mmrazor_lakd.checkpoints.loading import (
    check_checkpoint,
    load_teacher_weights,
)


def network():
    """A small teacher."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2)
    )


WEIGHTS = dict(network().state_dict())
CHECKPOINTS = dict(
    whole=dict(state_dict=WEIGHTS, meta=dict(epoch=1), optimizer={}),
    plain=WEIGHTS,
    wrapped=dict(model={f'module.{k}': v for k, v in WEIGHTS.items()}),
    averaged=dict(state_dict=WEIGHTS, ema_state_dict=WEIGHTS),
    distilled=dict(
        state_dict={f'architecture.{k}': v for k, v in WEIGHTS.items()}
    ),
)
TENSORS = st.sampled_from(
    [
        *(torch.zeros(()), torch.zeros(0), torch.zeros(4), torch.ones(2, 16)),
        torch.full((4,), float('nan')),
        torch.full((4,), float('inf')),
        torch.ones(4).half(),
        torch.ones(4).double(),
        torch.ones(4).long(),
        torch.ones(4).bool(),
        torch.ones(4, dtype=torch.complex64),
        torch.ones(4).to_sparse(),
        torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8),
        torch.ones(4, device='meta'),
        nn.Parameter(torch.ones(4)),
    ]
)


def save(folder, content) -> str:
    """Save a checkpoint as torch.save does; return its path."""
    path = folder / 'made.pth'
    torch.save(content, path)
    return str(path)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('made')


@pytest.mark.parametrize('name', list(CHECKPOINTS))
@made(150)
@given(data=st.data())
def test_checkpoints(folder, name, data):
    """A network that loads one is as good as the one that was saved."""
    content = data.draw(
        st.one_of(changed(CHECKPOINTS[name], st.one_of(TENSORS, ODD)), ODD)
    )
    path = save(folder, content)
    teacher = network()
    with fine_or_refused():
        load_teacher_weights(teacher, path)
        output = teacher.eval()(torch.ones(2, 3, 4, 4))
        assert output.isfinite().all()
    with fine_or_refused():
        check_checkpoint(network(), path, 'checkpoint')


METHOD = dict(title='KD', config='configs/kd/kd_{pair}.py')
SUITE = dict(
    title='A suite',
    pairs=['resnet20_resnet8_1xb64_digits'],
    methods=[
        METHOD,
        dict(
            title='LAKD',
            config='configs/lakd/lakd_{pair}.py',
            options={'model.distiller.half_maps': True},
        ),
    ],
    reference='KD',
    seeds=[0, 1],
    epochs=2,
    teacher_epochs=None,
    teacher_checkpoints={'resnet20_1xb64_digits': 'teacher.pth'},
    teacher_options={},
    options={'train_dataloader.batch_size': 32},
    threads=1,
)
SETTINGS = st.one_of(
    ODD,
    st.sampled_from(
        [
            *('{pair}', '{teacher}', '{', '../..', 'configs', METHOD),
            *('configs/_base_/datasets/digits.py', 'model.distiller'),
            *('vgg13_vgg8_1xb64_cifar100', 'a_b_c', 'a_b'),
            {'train_cfg.max_epochs': 3},
            {'model.backbone.depth': None},
            {'unknown.name': 1},
        ]
    ),
)


def as_code(value) -> str:
    """Write a value as a config has it."""
    if isinstance(value, float) and not abs(value) < float('inf'):
        return f"float('{value}')"
    if isinstance(value, dict):
        items = (f'{as_code(k)}: {as_code(v)}' for k, v in value.items())
        return '{' + ', '.join(items) + '}'
    if isinstance(value, (list, tuple)):
        inside = ''.join(f'{as_code(item)}, ' for item in value)
        return f'[{inside}]' if isinstance(value, list) else f'({inside})'
    if callable(value):
        return value.__name__
    return repr(value)


@made(150)
@given(
    changed(SUITE, SETTINGS),
    st.one_of(st.none(), st.dictionaries(TEXTS, SETTINGS, max_size=1)),
)
def test_suites(folder, settings, options):
    path = folder / 'suite.py'
    lines = [f'{name} = {as_code(value)}' for name, value in settings.items()]
    path.write_text('\n'.join(lines))
    with fine_or_refused():
        suite = load_suite(path, ROOT, options)
        assert suite.students
