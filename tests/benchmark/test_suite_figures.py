"""Pictures of a suite."""

from matplotlib.image import imread

from mmrazor_lakd.benchmark.suite.figures import (
    ENDS,
    MOST_CURVES,
    choose_curves,
    choose_points,
    draw_curves,
    lowest_shown,
    mean_curves,
)


def accuracies(count):
    """Make accuracies by method that fall and rise, LAKD in the middle."""
    last = {f'row {number}': 80.0 + number % 7 for number in range(count - 1)}
    return {'LAKD': 83.0, **last}


def test_all_curves_have_a_name_while_they_can_be_told_apart():
    last = accuracies(MOST_CURVES)
    assert choose_curves(last) == list(last)
    assert choose_curves({}) == []


def test_a_long_list_keeps_lakd_and_its_ends():
    last = accuracies(40)
    chosen = choose_curves(last)
    assert len(chosen) == 2 * ENDS + 1 and 'LAKD' in chosen
    assert chosen == [method for method in last if method in chosen]
    middle = [last[method] for method in last.keys() - set(chosen)]
    ends = sorted(last[method] for method in chosen if method != 'LAKD')
    assert ends[ENDS - 1] <= min(middle) and max(middle) <= ends[ENDS]


def test_curves_of_many_methods_are_drawn(tmp_path):
    last = accuracies(40)
    results = [
        dict(method=method, seed=0, top1=[60.0, value], iterations=352)
        for method, value in last.items()
    ]
    times = {method: 100.0 for method in last if method != 'row 3'}
    for name, step_ms in (('epochs', None), ('time', times)):
        path = tmp_path / f'{name}.png'
        draw_curves(path, results, list(last), 'many', step_ms)
        assert imread(path).std() > 0


def test_rows_that_are_only_measured_have_a_curve_over_time():
    """They have another one's accuracy, and a time of their own."""
    results = [dict(method='KD', seed=0, top1=[60.0, 70.0], iterations=600)]
    times = {'KD': 100.0, 'recomputed': 120.0}
    means, minutes = mean_curves(
        results, list(times), times, {'recomputed': 'KD'}
    )
    assert means['recomputed'].tolist() == means['KD'].tolist() == [60, 70]
    assert minutes == {'KD': 1.0, 'recomputed': 1.2}


def points(count):
    return [
        dict(method=name, last=last, memory=float(number % 9))
        for number, (name, last) in enumerate(accuracies(count).items())
    ]


def test_points_of_many_methods():
    few = points(MOST_CURVES)
    assert choose_points(few, 'row 1') == [row['method'] for row in few]
    rows = [*points(40), dict(method='LAKD, fed', last=83.0, memory=1.0)]
    named = choose_points(rows, 'row 1')
    assert {'LAKD', 'LAKD, fed', 'row 1'} <= set(named)
    assert len(named) <= 2 + 3 * ENDS + 3
    heaviest = max(rows, key=lambda row: row['memory'])['memory']
    assert any(
        row['memory'] == heaviest for row in rows if row['method'] in named
    )


def test_a_few_that_are_far_below_dont_press_the_others_together():
    assert lowest_shown([50.0, 84.0]) == 50.0
    values = [83.0 + number / 10 for number in range(MOST_CURVES + 1)]
    values[0] = 50.0
    assert 70 < lowest_shown(values) < 84
