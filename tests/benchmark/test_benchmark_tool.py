"""tools/benchmark.py, as a user runs it, and kills it."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas
import pytest
import torch
from conftest import ROOT
from fork_server import call_tool, start_tool

from mmrazor_lakd import SettingError
from mmrazor_lakd.benchmark.suite.cluster import ClusterLauncher

SUITE = 'tests/benchmark/tiny_suite.py'
# Part of it, and so a report with empty cells.
PART = ('--seeds', 0, '--methods', 'KD', 'LAKD, no cuts')
WIDE = {'COLUMNS': '160'}


def command(folder, *arguments, suite=SUITE):
    return ['tools/benchmark.py', suite, '--work-dir', folder, *arguments]


def run(*arguments, **kwargs):
    """Run the tool; the trainings that it starts do start anew."""
    done = call_tool(*command(*arguments, **kwargs), env=WIDE, timeout=600)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory):
    """The suite's first seed, trained without a stop by a tool begun anew."""
    folder = tmp_path_factory.mktemp('unbroken')
    done = subprocess.run(
        [sys.executable, *map(str, command(folder, *PART, '--jobs', 2))],
        cwd=ROOT,
        env=dict(os.environ, PYTHONPATH=str(ROOT), **WIDE),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def read_lines(report):
    """Results of a report, by method; it has one seed."""
    lines = (report / 'results.jsonl').read_text().splitlines()
    return {result['method']: result for result in map(json.loads, lines)}


def write_lines(report, results):
    text = ''.join(json.dumps(result) + '\n' for result in results.values())
    (report / 'results.jsonl').write_text(text)


def accuracies(folder):
    table = pandas.read_csv(folder / 'report' / 'report.csv')
    return table.drop(columns=['time', 'memory'])


def test_report(unbroken):
    folder, out = unbroken
    assert 'A few digits: 2 trainings, of which 0 are done.' in out
    assert '3 of 3: ' in out and 'teacher resnet20_1xb64_digits: ' in out
    table = accuracies(folder)
    assert list(table['method']) == ['alone', 'KD', 'LAKD, no cuts']
    assert table['last'][1:].between(5, 60).all()
    assert table['last'].isna().tolist() == [True, False, False]
    assert table['seed 1'].isna().all()
    report = folder / 'report'
    text = (report / 'report.md').read_text()
    assert f'{table["last"][1]:.2f}' in text
    assert 'python tools/train.py configs/kd/kd_resnet20_resnet8' in text
    for name in ('accuracy', 'epochs'):
        picture = report / f'{name}-resnet20_resnet8_1xb64_digits.png'
        assert picture.read_bytes().startswith(b'\x89PNG')
        assert f']({picture.name})' in text


def test_report_of_some_methods(unbroken, tmp_path):
    report = shutil.copytree(unbroken[0] / 'report', tmp_path / 'report')
    asked = ('--report-only', '--methods', 'KD', '--report', report)
    code, out, err = run(tmp_path, *asked)
    assert code == 0, err
    assert list(accuracies(tmp_path)['method']) == ['KD']
    page = (report / 'report.md').read_text()
    assert 'configs/kd/' in page and 'configs/lakd/' not in page
    assert 'LAKD, no cuts' not in page and 'other settings' not in page


def test_cost_of_other_settings(unbroken, tmp_path):
    report = shutil.copytree(unbroken[0] / 'report', tmp_path / 'report')
    folder = report / 'cost' / 'resnet20_resnet8_1xb64_digits'
    folder.mkdir(parents=True)
    cost = {'step ms': 9.0, 'time/reference': 1.5, 'peak/reference': 0.7}
    rows = [dict(cost, config=name) for name in ('KD', 'LAKD, no cuts')]
    digests = {'LAKD, no cuts': 'another'}
    text = json.dumps(dict(reference='KD', rows=rows, digests=digests))
    (folder / 'cost.json').write_text(text)
    code, out, err = run(tmp_path, '--report-only', '--report', report)
    assert code == 0, err
    table = pandas.read_csv(report / 'report.csv').set_index('method')
    assert table.loc['KD', 'time'] == 1.5
    assert table.loc['LAKD, no cuts', ['time', 'memory']].isna().all()
    page = (report / 'report.md').read_text()
    assert 'Time and memory of LAKD, no cuts were measured with ' in page


def test_cost_that_cannot_be_measured(unbroken, tmp_path):
    report = tmp_path / 'report'
    shutil.copytree(unbroken[0] / 'report', report)
    in_the_way = report / 'cost' / 'resnet20_resnet8_1xb64_digits' / 'runs'
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text('')
    asked = ('--report-only', '--cost', '--report', report)
    code, out, err = run(tmp_path, *asked)
    assert code == 1
    assert 'the cost of' in (report / 'report.md').read_text()


def test_result(unbroken):
    folder, out = unbroken
    results = read_lines(folder / 'report')
    result = results['KD']
    assert len(result['top1']) == 3 and result['iterations'] == 3
    assert result['machine']['threads'] == 1
    assert result['precision'] in ('float32', 'bfloat16')
    assert 'randomness.seed=0' in result['command']
    assert 'train_dataloader.dataset.indices=192' in result['command']
    losses = result['last_losses']
    assert set(losses) == {'loss', 'student.loss', 'distill.loss_kd'}
    parts = losses['student.loss'] + losses['distill.loss_kd']
    assert losses['loss'] == pytest.approx(parts, rel=1e-5)
    # The teacher's accuracy is that of its own training.
    teacher = results['teacher']
    assert result['teacher_top1'] is not None
    assert teacher['teacher'] is None and len(teacher['top1']) == 2


def test_through_submitit(unbroken, tmp_path):
    """Jobs on this machine: what --cluster slurm does, but for the queue."""
    report = shutil.copytree(unbroken[0] / 'report', tmp_path / 'report')
    results = read_lines(report)
    kd = results.pop('KD')
    write_lines(report, results)
    asked = (*PART, '--cluster', 'local', '--cluster-options', 'name=digits')
    code, out, err = run(tmp_path, *asked)
    assert code == 0, err
    assert '2 trainings, of which 1 are done' in out
    pandas.testing.assert_frame_equal(
        accuracies(tmp_path), accuracies(unbroken[0]), check_exact=True
    )
    found = read_lines(report)['KD']
    same = ('command', 'digest', 'last_losses', 'machine', 'precision')
    assert all(found[name] == kd[name] for name in same)
    assert len(list(tmp_path.glob('cluster/*_submitted.pkl'))) == 1


def test_job_that_is_killed(unbroken, tmp_path):
    report = shutil.copytree(unbroken[0] / 'report', tmp_path / 'report')
    results = read_lines(report)
    del results['KD']
    write_lines(report, results)
    process = start_tool(
        *command(tmp_path, *PART, '--cluster', 'local'), env=WIDE
    )
    begin = time.time()
    while time.time() - begin < 120 and not trainings_of(tmp_path):
        time.sleep(0.1)
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        line = path.read_bytes().decode(errors='replace')
        if 'submitit.core' in line and str(tmp_path) in line:
            os.kill(int(path.parent.name), signal.SIGKILL)
    done = process.finish(timeout=300)
    assert done.returncode == 1, done.stderr
    assert 'the cluster ended its job ' in done.stdout
    assert not trainings_of(tmp_path)


def test_clusters_that_are_not_there(tmp_path, monkeypatch):
    asked = ('--cluster', 'slurm')
    path = str(Path(sys.executable).parent)
    done = call_tool(*command(tmp_path, *asked), env=dict(WIDE, PATH=path))
    assert done.returncode == 2
    assert 'error: --cluster=slurm needs sbatch, ' in done.stderr
    asked = ('--cluster', 'local', '--cluster-options', 'partitoin=gpu')
    code, out, err = run(tmp_path, *asked)
    assert code == 2 and 'Traceback' not in err
    assert 'error: --cluster-options partitoin: ' in err
    assert "Parameter 'partitoin' need" in err
    code, out, err = run(tmp_path, '--cluster-options', 'timeout_min=1')
    assert code == 2 and '--cluster-options are for --cluster' in err
    monkeypatch.setitem(sys.modules, 'submitit', None)
    with pytest.raises(SettingError, match='needs the package submitit, whi'):
        ClusterLauncher('local', tmp_path, 'name', {})


def test_what_is_done_is_kept(unbroken):
    folder, _ = unbroken
    kept = folder / 'report' / 'results.jsonl'
    before = kept.stat().st_mtime_ns
    code, out, err = run(folder, *PART)
    assert code == 0, err
    assert '2 trainings, of which 2 are done' in out
    assert kept.stat().st_mtime_ns == before


def test_results_of_several_machines_and_of_earlier_versions(
    unbroken, tmp_path
):
    report = shutil.copytree(unbroken[0] / 'report', tmp_path / 'report')
    results = read_lines(report)
    write_lines(report, {'teacher': results['teacher']})
    other = report / 'results-elsewhere.jsonl'
    other.write_text(json.dumps(results['KD']) + '\n')
    old = report / 'results' / 'one_file_a_training.json'
    old.parent.mkdir()
    old.write_text(json.dumps(results['LAKD, no cuts'], indent=1))
    code, out, err = run(tmp_path, *PART)
    assert code == 0, err
    assert '2 trainings, of which 2 are done' in out
    pandas.testing.assert_frame_equal(
        accuracies(tmp_path), accuracies(unbroken[0]), check_exact=True
    )
    # The same result twice is one; two that differ are not.
    old.write_text(json.dumps(results['KD']))
    assert run(tmp_path, '--report-only')[0] == 0
    old.write_text(json.dumps({**results['KD'], 'top1': [1.0] * 3}))
    code, out, err = run(tmp_path, '--report-only')
    assert code == 2
    assert f'is another result of the training of Line 1 of {other}' in (
        ' '.join(err.split())
    )


def test_half_a_line_is_refused(unbroken, tmp_path):
    report = shutil.copytree(unbroken[0] / 'report', tmp_path / 'report')
    kept = report / 'results.jsonl'
    kept.write_text(kept.read_text()[:-100])
    for arguments in (PART, ['--report-only']):
        before = kept.read_text()
        code, out, err = run(tmp_path, *arguments)
        assert code == 2 and 'Traceback' not in err
        assert f'Line 3 of {kept} is damaged' in err
        assert kept.read_text() == before


@pytest.mark.slow
def test_killed_three_times_it_ends_alike(unbroken, tmp_path):
    moments = random.Random(0)
    stops = 0
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        process = start_tool(*command(tmp_path, *PART, '--jobs', 2), env=WIDE)
        marks = len(list(tmp_path.glob('*/epoch_*.pth')))
        begin = time.time()
        # Not before it has got anywhere: else three kills would do no more
        # than one.
        while time.time() - begin < 120 and process.is_running():
            if len(list(tmp_path.glob('*/epoch_*.pth'))) > marks:
                break
            time.sleep(0.05)
        time.sleep(moments.uniform(0, 1))
        stops += process.is_running()
        os.kill(process.pid, number)
        process.finish(timeout=60)
        # Its trainings end with it.
        begin = time.time()
        while trainings_of(tmp_path) and time.time() - begin < 30:
            time.sleep(0.05)
        assert not trainings_of(tmp_path)
    assert stops == 3
    code, out, err = run(tmp_path, *PART, '--jobs', 2)
    assert code == 0, err
    logs = [log.read_text() for log in tmp_path.glob('*/output.log')]
    assert any('resumed epoch: ' in log for log in logs)
    pandas.testing.assert_frame_equal(
        accuracies(tmp_path), accuracies(unbroken[0]), check_exact=True
    )


def trainings_of(folder):
    """The processes at work below a folder, where the system tells."""
    found = []
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            line = path.read_bytes().decode(errors='replace')
        except OSError:  # it has ended
            continue
        if str(folder) in line and 'benchmark.suite.train' in line:
            found.append(line)
    return found


def test_results_name_no_folder_of_the_machine(unbroken):
    folder = unbroken[0]
    text = (folder / 'report' / 'results.jsonl').read_text()
    assert 'model.teacher_ckpt=report/teachers/' in text
    assert str(folder) not in text


def test_a_failure_does_not_stop_the_others(unbroken, tmp_path):
    suite = tmp_path / 'wrong.py'
    suite.write_text(
        f"_base_ = ['{ROOT / SUITE}']\n"
        "kd = 'configs/kd/kd_{pair}.py'\n"
        "wrong = {'model.distiller.type': 'LAKDDistillr'}\n"
        "methods = [dict(title='wrong', config=kd, options=wrong),\n"
        "           dict(title='KD', config=kd)]\n"
        'del kd, wrong\n'
    )
    # KD and the teacher are there already.
    report = shutil.copytree(unbroken[0] / 'report', tmp_path / 'report')
    code, out, err = run(tmp_path, '--seeds', 0, suite=suite)
    assert code == 1, err
    # the reason is longer than the terminal's line
    assert 'wrong, seed 0, resnet20_resnet8_1xb64_digits FAILED: ' in out
    assert '2 trainings, of which 1 are done' in out
    text = (report / 'report.md').read_text()
    assert "FAILED: error: model.distiller.type='LAKDDistillr'" in text
    assert 'LAKDDistiller' in text and 'not shown: 1.' in text
    kd = accuracies(unbroken[0]).set_index('method').loc['KD']
    assert f'| KD | {kd["last"]:.2f} |' in text


def test_another_teacher_is_refused(unbroken, tmp_path):
    report = shutil.copytree(unbroken[0] / 'report', tmp_path / 'report')
    (teacher,) = (report / 'teachers').iterdir()
    weights = torch.load(teacher)
    weights['state_dict']['head.fc.bias'] += 1
    torch.save(weights, teacher)
    code, out, err = run(tmp_path, '--seeds', 1, '--methods', 'KD')
    assert code == 2
    assert 'was made with another teacher (weights ' in err
    assert 'Traceback' not in err


def test_a_teacher_that_is_lost_is_not_trained_again(unbroken, tmp_path):
    """What is there was made with it, and a new one may be another."""
    report = shutil.copytree(unbroken[0] / 'report', tmp_path / 'report')
    shutil.rmtree(report / 'teachers')
    before = (report / 'results.jsonl').read_text()
    code, out, err = run(tmp_path, '--seeds', 1, '--methods', 'KD')
    assert code == 2 and 'Traceback' not in err
    assert 'and a new one would be another; bring that file back' in err
    assert (report / 'results.jsonl').read_text() == before


def test_a_training_begun_with_another_teacher_is_left_alone(
    unbroken, tmp_path
):
    folder = shutil.copytree(unbroken[0], tmp_path / 'work')
    report = folder / 'report'
    (teacher,) = (report / 'teachers').iterdir()
    weights = torch.load(teacher)
    weights['state_dict']['head.fc.bias'] += 1
    torch.save(weights, teacher)
    part = ('--seeds', 0, '--methods', 'KD')
    # LAKD's result has the other teacher, too
    write_lines(report, {'teacher': read_lines(report)['teacher']})
    code, out, err = run(folder, *part)
    assert code == 1, err
    assert 'was begun with' in out and 'give another --work-dir' in out


def test_the_commits_of_all_starts_are_kept(unbroken, tmp_path):
    folder = shutil.copytree(unbroken[0], tmp_path / 'work')
    results = read_lines(folder / 'report')
    last = results.pop('KD')['commit']
    write_lines(folder / 'report', results)
    (begun,) = folder.glob('*-kd-seed0-*/made_with.json')
    made_with = json.loads(begun.read_text())
    assert [start['commit'] for start in made_with['starts']] == [last]
    made_with['starts'] = [{'commit': 'an earlier one', 'dirty': True}]
    begun.write_text(json.dumps(made_with))
    code, out, err = run(folder, '--seeds', 0, '--methods', 'KD')
    assert code == 0, err
    result = read_lines(folder / 'report')['KD']
    assert result['commit'] == f'an earlier one, then {last}'
    assert result['dirty'] is True
    report = (folder / 'report' / 'report.md').read_text()
    assert f'commit an earlier one, then {last}, with changes: ' in report


def test_another_teachers_settings_are_refused(unbroken, tmp_path):
    shutil.copytree(unbroken[0] / 'report', tmp_path / 'report')
    asked = ('--seeds', 1, '--cfg-options', 'teacher_epochs=1')
    code, out, err = run(tmp_path, *asked)
    assert code == 2 and 'Traceback' not in err
    assert 'is the result of a teacher with other settings' in err


def test_another_precision_is_refused(unbroken, tmp_path):
    report = shutil.copytree(unbroken[0] / 'report', tmp_path / 'report')
    results = read_lines(report)
    for result in results.values():
        result['precision'] = 'float8'
    write_lines(report, results)
    code, out, err = run(tmp_path, '--seeds', 1, '--methods', 'KD')
    assert code == 2
    assert 'was computed in float8, but on this machine the others' in err
    assert 'Traceback' not in err
    # Where nothing is to be trained, there is nothing to refuse.
    code, out, err = run(tmp_path, *PART)
    assert code == 0, err


@pytest.mark.parametrize(
    'key, words',
    [
        ('teacher', 'was made with another teacher (weights other) than'),
        ('precision', 'was computed in other, but'),
    ],
)
def test_a_table_of_what_cannot_be_compared(unbroken, tmp_path, key, words):
    report = shutil.copytree(unbroken[0] / 'report', tmp_path / 'report')
    results = read_lines(report)
    results['LAKD, no cuts'][key] = 'other'
    write_lines(report, results)
    for arguments in (PART, ['--report-only']):
        code, out, err = run(tmp_path, *arguments)
        assert code == 2 and 'Traceback' not in err
        assert words in err
    # A table of KD's row alone holds no other.
    code, out, err = run(tmp_path, '--report-only', '--methods', 'KD')
    assert code == 0, err


def test_usage(tmp_path):
    code, out, err = run(tmp_path, '--report-only')
    assert code == 2 and 'Traceback' not in err
    assert 'error: There are no results of the suite tiny_suite in ' in err
    code, out, err = run(tmp_path, '--report-only', '--seeds', 0)
    assert code == 2 and 'not with --report-only' in err
    code, out, err = run(tmp_path, '--report-only', '--jobs', 2)
    assert code == 2 and 'not with --report-only' in err
    code, out, err = run(tmp_path, '--jobs', 0)
    assert code == 2 and '--jobs must be at least 1' in err
