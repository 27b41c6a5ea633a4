"""tools/analyze.py, as a user runs it."""

import json
import os
import re
import subprocess
import sys

import pandas
import pytest
import torch
from conftest import ROOT, classifier
from fork_server import call_tool
from mmpretrain.registry import MODELS

LAKD = 'configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py'
ALONE = 'configs/teachers/resnet8_1xb64_digits.py'
ENV = dict(
    os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', COLUMNS='150'
)


def run(*arguments):
    return subprocess.run(
        [sys.executable, 'tools/analyze.py', *map(str, arguments)],
        cwd=ROOT,
        env=ENV,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Untrained networks; the student's as LAKD's training saves it."""
    folder = tmp_path_factory.mktemp('analyze')
    made = dict(out=folder / 'out')
    for name, depth, prefix in (
        ('teacher', 20, ''),
        ('lakd', 8, 'architecture.'),
        ('alone', 8, ''),
    ):
        torch.manual_seed(depth + len(prefix))
        model = MODELS.build(classifier(depth))
        model.init_weights()
        state = {f'{prefix}{k}': v for k, v in model.state_dict().items()}
        made[name] = folder / name / 'epoch_1.pth'
        made[name].parent.mkdir()
        torch.save(dict(state_dict=state), made[name])
    return made


@pytest.fixture(scope='module')
def report(files):
    done = run(
        LAKD, files['lakd'], '--label', 'LAKD & co',
        '--compare', f'{ALONE},{files["alone"]},label=a<b',
        '--compare', files['alone'],
        '--num-images', 128, '--probe-images', 192, '--out', files['out'],
        '--cfg-options', f'model.teacher_ckpt={files["teacher"]}',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done, json.loads((files['out'] / 'analysis.json').read_text())


def test_figures(files, report):
    done, found = report
    labels = [item['label'] for item in found['networks']]
    assert labels == ['teacher', 'LAKD & co', 'a<b', 'alone']
    assert found['images'] == 128 and found['probe_images'] == 192
    assert len(found['modules']) == 3 * 3
    ends = [row['student_map'] for row in found['modules'][:3]]
    assert ends == [f'backbone.layer{i}.preact' for i in (1, 2, 3)]
    for row in found['modules']:
        assert 0 < row['cka'] < 1 and 0 < row['probe_student'] <= 1
    # Two names for one checkpoint: the same figures, and no class gained.
    twins = [
        {k: v for k, v in row.items() if k != 'student'}
        for row in found['modules'][3:]
    ]
    assert twins[:3] == twins[3:]
    assert [len(m['cka']) for m in found['matrices']] == [3, 3, 3]
    assert len(found['matrices'][0]['cka'][0]) == 9
    assert len(found['gains']) == 20
    assert sum(row['images'] for row in found['gains'][:10]) == 128
    assert found['commit'] and found['machine']['versions']['torch']
    assert found['command'].startswith('python tools/analyze.py configs/lakd')
    assert '100 %' in done.stdout and 'left' in done.stdout


def test_files(files, report):
    out = files['out']
    table = pandas.read_csv(out / 'analysis.csv')
    assert list(table['cka']) == [row['cka'] for row in report[1]['modules']]
    pictures = sorted(path.name for path in out.glob('*.png'))
    assert pictures == ['cka.png', 'classes.png', 'modules.png']
    markdown = (out / 'analysis.md').read_text()
    page = (out / 'analysis.html').read_text()
    for name in pictures:
        assert (out / name).read_bytes().startswith(b'\x89PNG')
        assert f'({name})' in markdown
    # The page needs no other file, and escapes what the user typed.
    assert len(re.findall(r'src="data:image/png;base64,', page)) == 3
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert 'LAKD &amp; co' in page and 'a&lt;b' in page
    cka = f'{report[1]["modules"][0]["cka"]:.3f}'
    assert cka in markdown and cka in page
    assert 'p < 0.05 by chance' in markdown


def test_refusal_in_one_sentence(files, tmp_path):
    done = call_tool(
        'tools/analyze.py', LAKD, 'gone.pth', '--teacher', files['teacher'],
        '--out', tmp_path / 'out',
    )  # fmt: skip
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: checkpoint='gone.pth' does not exist;")
    assert not (tmp_path / 'out').exists()


def test_usage():
    done = call_tool('tools/analyze.py', LAKD, 'x', '--grid', 0)
    assert done.returncode == 2 and 'usage:' in done.stderr
