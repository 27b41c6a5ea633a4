"""The figures of a suite's report."""

import json

import numpy as np
import pandas
import pytest
from conftest import ROOT
from rich.console import Console
from scipy import stats

from mmrazor_lakd.benchmark.suite.compare import compare
from mmrazor_lakd.benchmark.suite.costs import read_costs
from mmrazor_lakd.benchmark.suite.report import (
    describe_differences,
    describe_trainings,
    write_suite_report,
)
from mmrazor_lakd.benchmark.suite.results import write_result
from mmrazor_lakd.benchmark.suite.suite import load_suite, narrow
from mmrazor_lakd.benchmark.suite.table import (
    format_table,
    make_table,
    paired_difference,
    read_published,
)
from mmrazor_lakd.errors import SettingError

PAIR = 'resnet56_resnet20_1xb64_cifar100'
SETTINGS = dict(
    title='A suite',
    pairs=[PAIR],
    methods=[
        dict(title='alone', config='configs/teachers/{student}_{recipe}.py'),
        dict(title='KD', config='configs/kd/kd_{pair}.py'),
        dict(title='LAKD', config='configs/lakd/lakd_{pair}.py'),
    ],
    seeds=[0, 1, 2],
    reference='KD',
)


def result(method, seed, *top1):
    return dict(pair=PAIR, method=method, seed=seed, top1=list(top1))


RESULTS = [
    result('KD', 0, 50.0, 70.0),
    result('KD', 1, 50.0, 71.0),
    result('KD', 2, 50.0, 69.0),
    result('LAKD', 0, 60.0, 70.5),
    result('LAKD', 2, 72.0, 71.5),
]
COSTS = {PAIR: {'LAKD': {'time/reference': 1.02, 'peak/reference': 0.756}}}


def test_interval_is_that_of_a_paired_t_test():
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(2, 5))
    found = paired_difference(dict(enumerate(a)), dict(enumerate(b)))
    test = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert np.isclose(found.mean - found.half, test.low)
    assert np.isclose(found.mean + found.half, test.high)


def test_interval_by_hand():
    # differences 0.5 and 2.5: mean 1.5, deviation sqrt(2), error 1; Student's
    # factor for 1 degree of freedom is 12.706
    found = paired_difference({0: 70.5, 2: 71.5}, {0: 70.0, 1: 71.0, 2: 69.0})
    assert found.mean == 1.5
    assert abs(found.half - 12.706) < 1e-3
    assert paired_difference({0: 70.5}, {0: 70.0}) == (0.5, None)
    assert paired_difference({0: 70.5}, {1: 70.0}) is None


@pytest.fixture(scope='module')
def table():
    published = read_published(ROOT, [PAIR])
    return make_table(RESULTS, SETTINGS, COSTS, published)


def test_table(table):
    alone, kd, lakd = table.to_dict('records')
    assert (kd['last'], kd['std'], kd['best']) == (70.0, 1.0, 70.0)
    assert (kd['seed 0'], kd['seed 1'], kd['seed 2']) == (70, 71, 69)
    assert kd['difference'] == 0 and kd['time'] is None
    assert kd['published'] == 70.66
    assert (lakd['last'], lakd['best']) == (71.0, 71.25)
    assert lakd['seed 1'] is None and lakd['seeds'] == 2
    assert (lakd['time'], lakd['memory']) == (1.02, 0.756)
    assert lakd['published'] is None
    assert alone['seeds'] == 0 and alone['last'] is None


def test_texts(table):
    alone, kd, lakd = format_table(table, 'KD').to_dict('records')
    assert lakd == {
        'method': 'LAKD',
        'top-1, last epoch': '71.00 ± 0.71',
        'seeds 0, 1, 2': '70.50 / - / 71.50',
        'best epoch': '71.25 ± 1.06',
        'minus KD': '+1.50 ± 12.71',
        'time / KD': '1.020',
        'memory / KD': '0.756',
        'published': '',
    }
    assert kd['minus KD'] == '' and kd['published'] == '70.66'
    assert set(alone.values()) == {'alone', '', '69.06'}


def test_comparison(table, tmp_path):
    for name, results in (('a', RESULTS), ('b', RESULTS[1:])):
        (tmp_path / name).mkdir()
        rows = make_table(results, SETTINGS, {}, {})
        rows.to_csv(tmp_path / name / 'report.csv', index=False)
    found = compare(tmp_path / 'a', tmp_path / 'b')
    columns = [list(column.cells) for column in found.columns]
    assert columns[1:] == [
        ['KD', 'LAKD'],
        ['70.00', '71.00'],
        ['70.00', '71.00'],
        ['+0.00 ± 0.00', '+0.00 ± 0.00'],
        ['2', '2'],
    ]
    with pytest.raises(SettingError, match='no report.csv in .*/c; give'):
        compare(tmp_path / 'a', tmp_path / 'c')
    (tmp_path / 'c').mkdir()
    empty = make_table([], SETTINGS, {}, {})
    assert isinstance(empty, pandas.DataFrame) and len(empty) == 3
    empty.to_csv(tmp_path / 'c' / 'report.csv', index=False)
    with pytest.raises(SettingError, match='no trained method'):
        compare(tmp_path / 'a', tmp_path / 'c')


def write_results(report, suite):
    """A result of each training, as far as a report reads it."""
    machine = dict(cpu='c', threads=1, device='cpu', versions={'torch': 1})
    for student in suite.students:
        write_result(
            report,
            dict(
                pair=student.pair, method=student.method, seed=student.seed,
                digest=student.digest, teacher=None, teacher_top1=None,
                top1=[50.0] * 3, iterations=3, precision='float32', command='',
                machine=machine, commit='x', dirty=False,
            ),
        )  # fmt: skip


@pytest.mark.parametrize(
    'outdated', [[], ['alone'], ['KD'], ['LAKD, no cuts']]
)
def test_report_of_a_part_whose_costs_are_of_the_whole(tmp_path, outdated):
    suite = load_suite(ROOT / 'tests' / 'benchmark' / 'tiny_suite.py', ROOT)
    (pair,) = suite.settings['pairs']
    write_results(tmp_path, suite)
    numbers = {'step ms': 9.0, 'time/reference': 1.5, 'peak/reference': 0.7}
    digests = {t.method: t.cost_digest for t in suite.measured}
    cost = dict(
        reference='KD',
        rows=[dict(numbers, config=name) for name in digests],
        digests={**digests, **dict.fromkeys(outdated, 'another')},
    )
    folder = tmp_path / 'cost' / pair
    folder.mkdir(parents=True)
    (folder / 'cost.json').write_text(json.dumps(cost))
    part, console = narrow(suite, ['LAKD, no cuts']), Console(quiet=True)
    write_suite_report(tmp_path, part, [], 0, '', False, ROOT, console)
    table = pandas.read_csv(tmp_path / 'report.csv').set_index('method')
    is_shown = outdated in ([], ['alone'])
    assert table['time'].notna().tolist() == [is_shown]
    # compared with KD, which has no row
    assert table['difference'].tolist() == [0.0]
    page = (tmp_path / 'report.md').read_text()
    assert ('were measured with other settings' in page) == (not is_shown)
    assert (tmp_path / f'time-{pair}.png').is_file() == is_shown


def test_costs_beside_another_method_are_none(tmp_path):
    folder = tmp_path / 'cost' / PAIR
    folder.mkdir(parents=True)
    cost = dict(reference='KD', rows=[dict(config='KD')])
    (folder / 'cost.json').write_text(json.dumps(cost))
    assert read_costs(tmp_path, PAIR, 'KD') == {'KD': dict(config='KD')}
    assert read_costs(tmp_path, PAIR, 'DKD') == {}


def test_a_row_of_half_a_step_says_so():
    options = {'optim_wrapper': {'accumulative_counts': 2}}
    half = dict(title='half', config='c', options=options)
    (fact,) = describe_differences([*SETTINGS['methods'], half])
    assert fact.startswith('half: time and memory are of one of the 2 steps')


def test_all_lengths_of_an_epoch_are_named(tmp_path):
    machine = dict(cpu='c', threads=1, device='cpu', versions={})
    results = [
        dict(
            method='KD', seed=seed, teacher=None, teacher_top1=None,
            top1=[50.0], iterations=iterations, precision='float32',
            command='', machine=machine, commit='x', dirty=False,
        )
        for seed, iterations in enumerate((391, 782, 391))
    ]  # fmt: skip
    facts = list(describe_trainings(results, tmp_path, PAIR))
    assert 'Budget: 1 epochs of 391 or 782 iterations.' in facts


def test_report_of_a_part_without_results(tmp_path):
    """The reference's are no results of the part."""
    suite = load_suite(ROOT / 'tests' / 'benchmark' / 'tiny_suite.py', ROOT)
    kd = [t for t in suite.students if t.method == 'KD']
    write_results(tmp_path, suite._replace(students=kd))
    part, console = narrow(suite, ['LAKD, no cuts']), Console(quiet=True)
    with pytest.raises(SettingError, match='There are no results'):
        write_suite_report(tmp_path, part, [], 0, '', False, ROOT, console)
