"""tools/analyze_cost.py, as a user runs it."""

import json
import os
import subprocess
import sys

import pandas
import pytest
from conftest import ROOT
from fork_server import call_tool
from rich.console import Console

from mmrazor_lakd.benchmark.cost.measure import CostSettings
from mmrazor_lakd.benchmark.cost.run import measure_and_report
from mmrazor_lakd.errors import SettingError
from mmrazor_lakd.provenance import describe_machine

KD = 'configs/kd/kd_resnet20_resnet8_1xb64_digits.py'
ALONE = 'configs/teachers/resnet8_1xb64_digits.py'
ENV = dict(
    os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', COLUMNS='120'
)


def run(*arguments):
    return subprocess.run(
        [sys.executable, 'tools/analyze_cost.py', *map(str, arguments)],
        cwd=ROOT,
        env=ENV,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope='module')
def measured(tmp_path_factory):
    """Two configs that can be measured, and one between them that can't."""
    out = tmp_path_factory.mktemp('cost')
    wrong = 'loss_forward_mappings.loss_kd.preds_S.recorder=none'
    done = run(
        f'{KD},model.teacher_ckpt=there_is_none.pth',
        f'{KD},model.distiller.{wrong},label=wrong',
        f'{ALONE},label=alone',
        '--steps', 1, '--rounds', 2, '--warmup', 1, '--batch-size', 8,
        '--threads', 1, '--reference', 'alone', '--out', out,
    )  # fmt: skip
    return done, out


def test_one_failure_ends_neither_the_others_nor_in_success(measured):
    done, out = measured
    assert done.returncode == 1, done.stderr
    label = 'kd_resnet20_resnet8_1xb64_digits,'
    label += 'model.teacher_ckpt=there_is_none.pth'
    assert f'{label} is measured' in ' '.join(done.stdout.split())
    assert 'wrong failed: ' in done.stdout
    assert 'For preds_S' in done.stdout and 'Traceback' not in done.stdout
    assert 'alone is measured' in done.stdout
    report = json.loads((out / 'cost.json').read_text())
    assert [r['label'] for r in report['results']] == [label, 'alone']
    assert [f['label'] for f in report['failures']] == ['wrong']
    assert report['reference'] == 'alone'
    assert report['command'].startswith('python tools/analyze_cost.py configs')
    assert report['machine']['threads'] == 1
    note = 'a teacher of random weights'
    assert report['results'][0]['notes'] == [note]
    assert f'{label}: {note}' in (out / 'cost.md').read_text()


def test_files(measured):
    done, out = measured
    table = pandas.read_csv(out / 'cost.csv', index_col='config')
    assert list(table['time/reference'] > 0) == [True, True]
    assert table.loc['alone', 'time/reference'] == 1
    assert list(table['same floor']) == [False, True]
    for name in ('cost.png', 'memory_over_time.png'):
        assert (out / name).read_bytes().startswith(b'\x89PNG')
    # no checkpoint, no validation
    assert not list(out.rglob('*.pth'))
    assert 'Epoch(val)' not in (out / 'runs' / '1.log').read_text()


def test_measurements(measured):
    done, out = measured
    report = json.loads((out / 'cost.json').read_text())
    kd, alone = report['results']
    assert kd['images'] == [8, 3, 32, 32] and kd['batch_size'] == 8
    for result in (kd, alone):
        for times in (result['step_ms'], result['floor_ms']):
            assert len(times) == 2 and min(times) > 0
        memory = result['memory']
        assert sum(memory['at_peak'].values()) == memory['peak']
        assert max(map(sum, memory['live'])) == memory['peak']
    assert 'teacher of 272,474 parameters' in kd['floor']
    assert 'teacher' not in alone['floor']
    assert kd['memory']['highest']['teacher'] > 0
    assert alone['memory']['highest']['teacher'] == 0
    # The students are the same, and so are their graphs.
    students = [r['memory']['highest']['student'] for r in (kd, alone)]
    assert abs(students[0] - students[1]) < 0.01 * students[1]
    # Both have the student and its momentum; one the teacher besides.
    teacher = kd['memory']['resting'] - alone['memory']['resting']
    assert 0.97 < teacher / (272_474 * 4) < 1.03


def test_refusal_comes_at_once_and_in_one_sentence(tmp_path):
    data = 'configs/_base_/datasets/digits_bs64.py'
    out = tmp_path / 'out'
    done = call_tool('tools/analyze_cost.py', ALONE, data, '--out', out)
    assert done.returncode == 2
    assert 'Traceback' not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last == (
        f"error: The config '{data}' trains nothing, since it lacks model, "
        f'train_cfg, optim_wrapper; give one that tools/train.py takes.'
    )
    assert not out.exists()


@pytest.mark.parametrize(
    'arguments', [[ALONE, '--rounds', 0], [ALONE, '--image-size', 8], []]
)
def test_usage(arguments):
    done = call_tool('tools/analyze_cost.py', *arguments)
    assert done.returncode == 2 and 'usage:' in done.stderr


def test_earlier_figures_stay_where_the_reference_fails(tmp_path):
    """Beside it alone the new ones would mean something."""
    few = dict(
        config=str(ROOT / KD),
        work_dir=str(tmp_path),
        batch_size=8, rounds=1, steps=1, warmup=1,
    )  # fmt: skip
    settings = dict(
        KD=CostSettings(options={'model.distiller.type': 'gone'}, **few),
        other=CostSettings(options={}, **few),
    )
    rows = [{'config': name, 'time/reference': 1.0} for name in settings]
    machine = {**describe_machine(), 'threads': 1}
    earlier = dict(reference='KD', rows=rows, results=[], machine=machine)
    text = json.dumps(earlier)
    (tmp_path / 'cost.json').write_text(text)
    message = 'KD could not be measured, with which .* are left as they are'
    with pytest.raises(SettingError, match=message):
        measure_and_report(
            settings, 'KD', tmp_path, 1, '', ROOT, Console(quiet=True),
            earlier=earlier,
        )  # fmt: skip
    assert (tmp_path / 'cost.json').read_text() == text
