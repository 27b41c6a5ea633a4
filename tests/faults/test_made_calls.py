"""Made command lines of all tools, each a process of its own."""

import re

import pytest
import torch
from conftest import ROOT, classifier
from fork_server import call_tool
from hypothesis import given
from hypothesis import strategies as st
from made import made
from mmengine.runner import save_checkpoint
from mmpretrain.registry import MODELS

from mmrazor_lakd.backbones import build_network

PLAIN = 'configs/teachers/resnet8_1xb64_digits.py'
LAKD = 'configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py'
FEW = 'test_dataloader.dataset.indices=8'
#: right calls; {tmp} is a folder with files, {out} one for results
CALLS = dict(
    train=(
        f'train.py {PLAIN} --work-dir {{out}} --cfg-options '
        'train_dataloader.dataset.indices=32 train_cfg.max_epochs=1 '
        'val_dataloader.dataset.indices=8 randomness.seed=0 '
        'default_hooks.checkpoint.save_best=None'
    ),
    test=f'test.py {PLAIN} {{tmp}}/student.pth --work-dir {{out}} --out '
    f'{{out}}/metrics.json --out-item metrics --cfg-options {FEW}',
    analyze=(
        f'analyze.py {LAKD} {{tmp}}/student.pth --teacher {{tmp}}/teacher.pth '
        f'--num-images 8 --probe-images 0 --grid 2 --out {{out}}'
    ),
    visualize=(
        f'visualize.py {LAKD} {{tmp}}/student.pth --teacher '
        f'{{tmp}}/teacher.pth --num 1 --seed 0 --overview 0 --out {{out}}'
    ),
    cost=(
        f'analyze_cost.py {PLAIN} --rounds 1 --steps 1 --warmup 1 '
        '--batch-size 2 --synthetic-data --out {out}'
    ),
    loader=(
        f'benchmark_dataloader.py {PLAIN} --batches 1 --passes 1 '
        '--cfg-options train_dataloader.batch_size=8'
    ),
    benchmark='benchmark.py --compare {tmp}/report {tmp}/report',
    make_config=(
        'make_config.py --method kd --pair resnet20_resnet8_1xb64_digits '
        '--out {out}/made.py --overwrite'
    ),
    own_config=(
        f'make_config.py --method lakd --student {PLAIN} --teacher {PLAIN} '
        '--teacher-checkpoint {tmp}/student.pth --num-modules 3 '
        '--input-size 32 32 --out {out}/own.py'
    ),
    export=(
        f'model_converters/export_student.py {LAKD} {{tmp}}/lakd.pth --out '
        f'{{out}}/student.pth'
    ),
    published=(
        'model_converters/published_to_mmpretrain.py {tmp}/published.pth '
        '{out}/converted.pth'
    ),
    canvas=(
        'dataset_converters/cifar10_canvas.py {tmp} {out} --classes 2 --size '
        '64 --seed 0'
    ),
)
WORDS = st.one_of(
    st.sampled_from(
        [
            *('', '0', '-1', '1', '2.5', 'nan', 'None', '[]', '[1,', 'a=1'),
            *('=', 'a', 'ä', '--', '-x', '--debug', '--help', '{tmp}', '.'),
            *('{tmp}/text.pth', '{tmp}/empty.pth', '{tmp}/numbers.pth'),
            *('{tmp}/student.pth', '{tmp}/teacher.pth', '{tmp}/lakd.pth'),
            *('{tmp}/gone.pth', '{tmp}/none/gone.py', '/dev/null', PLAIN),
            *(LAKD, 'model=None', 'model.type=A', 'model.backbone.depth=9'),
            'train_dataloader.dataset.indices=0',
            'train_cfg.max_epochs=0',
            '1' * 400,
        ]
    ),
    st.text('abc=.-[]{}(),:/ \'"\\ä\n', max_size=6),
)


@st.composite
def changed_call(draw, right: str):
    """Draw a command line with one or two changed words."""
    words = right.split()
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(1, len(words) - 1))
        change = draw(st.sampled_from(['replace', 'delete', 'add', 'swap']))
        if change == 'replace':
            words[place] = draw(WORDS)
        elif change == 'add':
            words.insert(place, draw(WORDS))
        elif change == 'swap':
            other = draw(st.integers(1, len(words) - 1))
            words[place], words[other] = words[other], words[place]
        elif len(words) > 2:
            del words[place]
    return words


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder with files that are named."""
    folder = tmp_path_factory.mktemp('calls')
    for name, depth in (('teacher', 20), ('student', 8)):
        torch.manual_seed(0)
        model = MODELS.build(classifier(depth))
        model.init_weights()
        weights = model.state_dict()
        save_checkpoint(dict(state_dict=weights), f'{folder}/{name}.pth')
    named = {f'architecture.{key}': value for key, value in weights.items()}
    save_checkpoint(dict(state_dict=named), f'{folder}/lakd.pth')
    published = {
        name.replace('backbone.', '').replace('head.', ''): value
        for name, value in build_network('resnet20').state_dict().items()
    }
    torch.save(published, folder / 'published.pth')
    (folder / 'report').mkdir()
    report = 'pair,method,seed 0\na,KD,90.0\n'
    (folder / 'report' / 'report.csv').write_text(report)
    (folder / 'text.pth').write_text('not a checkpoint\n')
    (folder / 'empty.pth').touch()
    torch.save(dict(a=1, b=[2.0]), folder / 'numbers.pth')
    (folder / 'out').mkdir()
    return folder


def end_of(folder, words):
    """Call a tool; return how it ended."""
    tool, *args = (
        word.replace('{tmp}', str(folder)).replace('{out}', f'{folder}/out')
        for word in words
    )
    return call_tool(f'tools/{tool}', *args, cwd=ROOT, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize('name', [n for n in CALLS if n != 'canvas'])
def test_right_calls(folder, name):
    """What is changed below is right, but for what would take a download."""
    ended = end_of(folder, CALLS[name].split())
    assert ended.returncode == 0, ended.stderr[-3000:]


@pytest.mark.parametrize('name', list(CALLS))
@made(12)
@given(data=st.data())
def test_calls(folder, name, data):
    """It works, or ends with status 2 and one sentence."""
    words = data.draw(changed_call(CALLS[name]))
    ended = end_of(folder, words)
    said = ended.stdout + ended.stderr
    if ended.returncode == 0:
        return
    assert ended.returncode == 2, said[-3000:]
    assert '--debug' in words or 'Traceback' not in said, said[-3000:]
    lines = re.findall(r'^(?:\S+\.py: )?error: .*', ended.stderr, re.MULTILINE)
    assert len(lines) == 1, said[-3000:]
    assert not re.search(r'error: \w+(Error|Exception): ', lines[0]), lines[0]
