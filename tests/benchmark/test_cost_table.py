"""The table's figures, computed by hand from made measurements."""

import csv
import io
import json
from pathlib import Path

import pytest
import torch
from rich.console import Console

from mmrazor_lakd.benchmark.cost.report import write_cost_report
from mmrazor_lakd.benchmark.cost.run import measure_and_report
from mmrazor_lakd.benchmark.cost.table import (
    TABLE_SECTIONS,
    format_row,
    make_rows,
)
from mmrazor_lakd.plotting import wrap
from mmrazor_lakd.provenance import describe_commit, describe_machine

MIB = 2**20


def result(label, step_ms, floor_ms, floor='a', scale=1, **memory):
    """What measure_cost would give, with sizes that are easy to add."""
    return dict(
        label=label,
        batch_size=50,
        step_ms=step_ms,
        floor_ms=floor_ms,
        floor=floor,
        notes=[],
        machine=dict(cpu='c', threads=1, device='cpu', versions={'torch': 1}),
        memory=dict(
            resting=2 * MIB,
            peak=8 * scale * MIB,
            at_peak=dict(
                teacher=scale * MIB,
                student=6 * scale * MIB,
                losses=0,
                other=scale * MIB,
            ),
            highest=dict(
                teacher=3 * MIB, student=7 * scale * MIB, losses=0, other=MIB
            ),
            times=[0.0, 0.5],
            live=[[0, 0, 0, 0], [scale * MIB, 6 * scale * MIB, 0, scale]],
            backwards=[['module1', 0.2, 0.3]],
            **memory,
        ),
    )


@pytest.fixture
def results():
    return [
        # rounds of 2, 3 and 2.5 times the bare loop
        result('first', [20.0, 60.0, 25.0], [10.0, 20.0, 10.0]),
        # 3, 3 and 4 times
        result('same', [30.0, 30.0, 40.0], [10.0, 10.0, 10.0], scale=0.5),
        result('other', [50.0, 50.0, 50.0], [5.0, 5.0, 5.0], floor='b'),
    ]


def test_figures(results):
    first, same, other = make_rows(results, results[0])
    assert first['step ms'] == 25
    assert (first['step ms min'], first['step ms max']) == (20, 60)
    assert first['images/s'] == pytest.approx(50 / 0.025)
    # not the ratio of the medians, which is 25 / 10
    assert first['time/floor'] == 2.5
    assert same['time/floor'] == 3
    assert first['time/reference'] == 1
    assert same['time/reference'] == pytest.approx(3 / 2.5)
    # bare loops of other work: the plain medians
    assert other['time/reference'] == pytest.approx(50 / 25)
    assert (same['same floor'], other['same floor']) == (True, False)
    assert first['peak MiB'] == 8 and same['peak MiB'] == 4
    assert same['peak/reference'] == pytest.approx(4 / 8)
    assert same['total/reference'] == pytest.approx((4 + 2) / (8 + 2))
    assert same['student graph max'] == 3.5 and same['teacher max'] == 3
    assert same['resting MiB'] == 2
    assert format_row(other, TABLE_SECTIONS[0].columns)[-1] == '2.000*'
    assert format_row(same, TABLE_SECTIONS[0].columns)[-1] == '1.200'
    assert format_row(first, ['spread', 'images/s']) == ['20.0-60.0', '2,000']


def test_on_a_gpu_the_allocator_s_own_peak_counts(results):
    results[1] = result('same', [1.0], [1.0], allocated_above_rest=5 * MIB)
    assert make_rows(results, results[0])[1]['peak MiB'] == 5


def test_without_the_reference_there_are_no_ratios_to_it(results):
    row = make_rows(results[1:], None)[0]
    assert row['time/floor'] == 3 and row['time/reference'] is None
    assert format_row(row, ['time/reference', 'peak/reference']) == ['', '']


def test_report(results, tmp_path):
    failed = dict(label='[red]wrong', reason='error: no [/] luck.', log='log')
    console = Console(width=80, record=True)
    write_cost_report(
        tmp_path,
        [*results, failed],
        'first',
        'what I typed',
        console,
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'cost.csv',
        'cost.json',
        'cost.md',
        'cost.png',
        'memory_over_time.png',
    ]
    report = json.loads((tmp_path / 'cost.json').read_text())
    assert report['command'] == 'what I typed'
    assert report['commit'] == describe_commit()['commit']
    assert report['failures'] == [failed]
    assert len(report['results']) == 3
    with (tmp_path / 'cost.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [row['config'] for row in rows] == ['first', 'same', 'other']
    assert float(rows[1]['time/reference']) == pytest.approx(1.2)
    text = (tmp_path / 'cost.md').read_text()
    assert '| same | 30.0 | 30.0-40.0 | 1,667 | 3.000 | 1.200 |' in text
    assert '| same | 4.0 | 0.5 | 3.0 | 0.0 | 0.5 | 0.500 |' in text
    assert '| same | 2.0 | 0.600 | 3.5 | 3.0 |' in text
    assert r'\[red\]wrong FAILED: error: no \[/\] luck.' in text
    printed = console.export_text()
    assert '│ same ' in printed and '2.000*' in printed
    assert '[red]wrong FAILED: error: no [/] luck.' in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_a_part_that_is_measured_again(results, tmp_path):
    def measure(found, **digests):
        write_cost_report(
            tmp_path,
            found,
            'first',
            f'of {", ".join(digests)}',
            Console(quiet=True),
            digests,
            json.loads(kept.read_text()) if kept.is_file() else None,
        )
        report = json.loads(kept.read_text())
        rows = {row['config']: row['step ms'] for row in report['rows']}
        return rows, report['digests']

    kept = tmp_path / 'cost.json'
    digests = dict(first='a', same='b', other='c')
    whole = {'first': 25, 'same': 30, 'other': 50}
    assert measure(results, **digests) == (whole, digests)
    part = [results[0], result('same', [8.0], [10.0])]
    rows, known = measure(part, first='a', same='d')
    assert rows == {**whole, 'same': 8}
    assert known == {**digests, 'same': 'd'}
    text = (tmp_path / 'cost.md').read_text()
    line = 'measured earlier: other, by `of first, same, other`'
    assert f'{line}, commit {describe_commit()["commit"]}' in text
    assert '| other | 50.0 |' in text
    # What failed now was measured earlier.
    failed = dict(label='same', reason='why', log='log')
    assert measure([results[0], failed], first='a', same='e')[1] == known
    # A reference of other settings, or on another machine, is another one.
    before = kept.read_text()
    assert measure(part, first='z', same='d')[0] == {'first': 25, 'same': 8}
    assert (tmp_path / 'cost-earlier-1.json').read_text() == before
    text = (tmp_path / 'cost.md').read_text()
    assert (
        'not comparable with these, and now in cost-earlier-1.json: ' in text
    )
    here = part[0]['machine']
    for number, (name, value) in enumerate(
        dict(device='cuda', threads=2, versions={'torch': 2}).items(), 2
    ):
        kept.write_text(before)
        part[0]['machine'] = {**here, name: value}
        rows, _ = measure(part, first='a', same='d')
        assert rows == {'first': 25, 'same': 8}
        aside = tmp_path / f'cost-earlier-{number}.json'
        assert aside.read_text() == before
    # Earlier versions wrote no digests, and no commit for each row.
    kept.write_text(before.replace('"digests"', '"_"'))
    part[0]['machine'] = here
    rows, known = measure(part, first='a', same='d')
    assert rows['other'] == 50 and known == dict(first='a', same='d')


def test_what_is_kept_has_its_commit_and_its_panel(
    results, tmp_path, monkeypatch
):
    def measure(found):
        earlier = json.loads(kept.read_text()) if kept.is_file() else None
        console = Console(quiet=True)
        write_cost_report(tmp_path, found, 'first', '', console, {}, earlier)
        return json.loads(kept.read_text())

    drawn = []
    monkeypatch.setattr(
        'mmrazor_lakd.benchmark.cost.figures.draw_memory_over_time',
        lambda path, found: drawn.append([r['label'] for r in found]),
    )
    kept = tmp_path / 'cost.json'
    old = measure(results)
    # As of an earlier version: a commit for all rows, and memory in short.
    old.update(commit='before', dirty=True)
    for row in old['rows']:
        del row['commit'], row['dirty']
    for name in ('times', 'live'):
        del old['results'][1]['memory'][name]
    kept.write_text(json.dumps(old))
    measure(results[:1])
    report = measure(results[:1])
    commits = {row['config']: row['commit'] for row in report['rows']}
    now = describe_commit()['commit']
    assert commits == dict(first=now, same='before', other='before')
    text = (tmp_path / 'cost.md').read_text()
    assert 'same, other, by ``, commit before, with changes' in text
    assert drawn[-1] == ['first', 'other']


def test_what_will_be_set_aside_is_said_before(results, tmp_path, monkeypatch):
    def measure_all(settings, *_):
        said.append(console.export_text(clear=False))
        return results[:1]

    said = []
    module = 'mmrazor_lakd.benchmark.cost.run'
    monkeypatch.setattr(f'{module}.measure_all', measure_all)
    monkeypatch.setattr(
        f'{module}.describe_machine', lambda: results[0]['machine']
    )
    kept = tmp_path / 'cost.json'
    for threads in (1, 2):
        console = Console(record=True, width=80, file=io.StringIO())
        write_cost_report(tmp_path, results, 'first', '', Console(quiet=True))
        earlier = json.loads(kept.read_text())
        results[0]['machine'] = {**results[0]['machine'], 'threads': threads}
        arguments = 'first', tmp_path, threads, '', tmp_path, console
        assert measure_and_report({'first': None}, *arguments, {}, earlier)
        rows = [row['config'] for row in json.loads(kept.read_text())['rows']]
        assert len(rows) == (3 if threads == 1 else 1)
    assert said[0] == ''
    assert said[1].startswith('The earlier measurements of same, other are')


def test_report_when_all_failed(tmp_path):
    failed = [dict(label='a', reason='why', log='log')]
    write_cost_report(tmp_path, failed, 'a', '', Console(quiet=True))
    assert 'a FAILED: why' in (tmp_path / 'cost.md').read_text()
    assert not (tmp_path / 'cost.png').exists()


def test_commit_of_a_checkout_and_of_none(tmp_path):
    assert describe_commit(tmp_path) == dict(commit=None, dirty=None)
    root = Path(__file__).parents[2]
    if (root / '.git').exists():
        found = describe_commit(root)
        assert len(found['commit']) == 40 and found['dirty'] in (True, False)


def test_processors_of_one_name_are_told_apart():
    capability = torch.backends.cpu.get_cpu_capability()
    assert describe_machine()['cpu'].endswith(f' ({capability})')


def test_long_labels_are_broken_at_commas():
    label = 'short,model.type=SingleTeacherDistill,' + 'x' * 30
    assert wrap(label, 20).splitlines() == [
        'short',
        'model.type=SingleTea',
        'cherDistill',
        'x' * 20,
        'x' * 10,
    ]
