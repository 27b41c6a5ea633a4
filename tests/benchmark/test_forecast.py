"""tools/analyze_cost.py --forecast, as a user runs it."""

import json

import pytest
from conftest import ROOT
from fork_server import call_tool
from mmengine.config import Config
from mmrazor.registry import MODELS

from mmrazor_lakd import SettingError
from mmrazor_lakd.benchmark.cost.forecast import (
    Setting,
    _verdict,
    cheapest,
    list_settings,
    parse_size,
)

LAKD = 'configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py'
KD = 'configs/kd/kd_resnet20_resnet8_1xb64_digits.py'
SMALL = ('--batch-size', 16, '--threads', 1)


def analyze(*arguments):
    return call_tool(
        ROOT / 'tools' / 'analyze_cost.py', *map(str, arguments), *SMALL
    )


@pytest.fixture(scope='module')
def forecast(tmp_path_factory):
    out = tmp_path_factory.mktemp('forecast')
    done = analyze(
        '--forecast', LAKD, '--budget', '1GiB', '--most-modules', 4,
        '--out', out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = json.loads((out / 'forecast.json').read_text())
    return done.stdout, rows, (out / 'forecast.md').read_text()


def test_each_setting_is_measured(forecast):
    _, rows, _ = forecast
    seen = [tuple(map(str, row['setting'].values())) for row in rows]
    assert len(set(seen)) == len(seen) == 16  # ResNet8 has no fourth module
    counts = {row['setting']['modules'] for row in rows}
    assert counts == {None, 1, 2, 3}
    least = min(rows, key=lambda row: row['peak'])
    assert least['setting']['recompute'] == ['blocks', 'stem']


def test_it_is_what_a_training_needs(forecast, tmp_path):
    _, rows, _ = forecast
    setting = dict(modules=2, chunks=True, recompute=['blocks', 'stem'])
    row = next(row for row in rows if row['setting'] == setting)
    done = analyze(
        f'{LAKD},model.recompute=[blocks,stem],'
        'model.distiller.local_modules=None,model.distiller.num_modules=2',
        '--rounds', 1, '--steps', 1, '--out', tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / 'cost.json').read_text())
    measured = report['results'][0]['memory']['peak']
    assert row['peak'] == pytest.approx(measured, rel=0.1)


def test_what_it_says(forecast):
    text, _, page = forecast
    said = ' '.join(text.split())
    assert 'The fastest that fits 1024 MiB: num_modules ' in said
    assert 'The fastest that fits 1024 MiB: num_modules ' in page
    assert 'write at most num_modules=3' in said


def test_nothing_fits(tmp_path):
    done = analyze(
        '--forecast', KD, '--budget', '100KB', '--out', tmp_path
    )  # fmt: skip
    assert done.returncode == 1
    said = ' '.join(done.stdout.split())
    assert 'No setting fits 0 MiB; the least is ' in said


def test_the_first_of_equally_fast_ones():
    plain = Setting(None, True, ())
    again = Setting(None, True, ('blocks',))
    rows = [
        dict(setting=plain, peak=9, resting=1, step_ms=1.0),
        dict(setting=plain, peak=6, resting=1, step_ms=2.05),
        dict(setting=plain, peak=5, resting=1, step_ms=2.0),
        dict(setting=again, peak=4, resting=1, step_ms=0.5),
    ]
    assert cheapest(rows, 10) is rows[0]
    assert cheapest(rows, 8) is rows[1]
    assert cheapest(rows, 5) is rows[3]
    assert cheapest(rows, 4) is None


@pytest.mark.parametrize(
    'model, setting, options',
    [
        ({}, (None, True, []), ''),
        ({}, (None, False, []), 'model.teacher_chunks=1'),
        (
            dict(teacher_chunks=1, recompute=['blocks']),
            (None, True, []),
            'model.teacher_chunks=auto model.recompute=[]',
        ),
        (
            dict(teacher_chunks=1, recompute=['blocks']),
            (2, False, ['blocks']),
            'model.distiller.num_modules=2 model.distiller.local_modules=None',
        ),
    ],
)
def test_the_command_is_relative_to_the_config(model, setting, options):
    assert Setting(*setting).command(model) == options


@pytest.mark.parametrize('text', ['8', 'GiB', '-1GiB', '0MiB', '8 GiBs'])
def test_what_is_no_size(text):
    with pytest.raises(SettingError, match='is no size; write a number and'):
        parse_size(text)


@pytest.mark.parametrize(
    'arguments, message',
    [
        ([KD, '--budget', '1GiB'], 'are for --forecast'),
        (['--forecast', KD, LAKD], '--forecast takes one config'),
        (
            ['--forecast', 'configs/teachers/resnet8_1xb64_digits.py'],
            "takes a config with model.type='FrozenTeacherDistill'",
        ),
        (['--forecast', KD, '--budget', 'much'], 'write a number and a unit'),
        (['--forecast', KD, '--rounds', 2], 'are not for --forecast'),
        (
            ['--forecast', KD, '--cfg-options', 'model.teacher_chunks=2'],
            '--forecast tries model.teacher_chunks itself',
        ),
    ],
)
def test_what_is_refused(arguments, message, tmp_path):
    done = analyze(*arguments, '--out', tmp_path)
    assert done.returncode != 0
    assert message in ' '.join(done.stderr.split())


def test_least_memory_counts_what_rests_between_steps():
    few = dict(setting=Setting(1, True, ()), peak=100, resting=10, step_ms=1.0)
    many = dict(few, setting=Setting(4, True, ()), peak=99, resting=30)
    said = _verdict([many, few], None, {})
    assert said.startswith('Least memory: num_modules 1')


def test_modules_of_a_method_without_any():
    cfg = Config.fromfile(ROOT / KD)
    assert len(list_settings(cfg)) == 4
    cfg.model.type = MODELS.get(cfg.model.type)  # as in new-style configs
    assert len(list_settings(cfg)) == 4
    with pytest.raises(SettingError, match='--most-modules 2 would have no'):
        list_settings(cfg, 2)
