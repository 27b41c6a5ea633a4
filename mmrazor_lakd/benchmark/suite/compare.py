"""Comparison of two reports of suites."""

from pathlib import Path
from typing import Dict, Tuple

import pandas
from rich.markup import escape
from rich.table import Table

from ...config_check import reduce
from ...errors import SettingError
from .table import paired_difference, seed_columns

Key = Tuple[str, str]


def read_last_accuracies(report: Path) -> Dict[Key, Dict[int, float]]:
    """Read the last accuracies of the methods in a report.

    Returns:
        dict: Accuracy in % by seed, by pair and method.

    Raises:
        SettingError: If the folder has no report.
    """
    path = report / 'report.csv'
    if not path.is_file():
        raise SettingError(
            f'There is no report.csv in {report}; give the folders of two '
            f'reports that tools/benchmark.py has written.'
        )
    found = {}
    try:
        # 'None', say, may be a method's title.
        table = pandas.read_csv(path, keep_default_na=False, na_values=[''])
        for row in table.to_dict('records'):
            found[row['pair'], row['method']] = {
                int(name[len('seed ') :]): float(row[name])
                for name in seed_columns(table)
                if pandas.notna(row[name])
            }
    except (KeyError, ValueError) as error:  # pandas' own are ValueErrors
        raise SettingError(
            f'{path} is damaged ({reduce(error)}); write it anew with '
            f'tools/benchmark.py SUITE --report-only.'
        ) from error
    return found


def compare(first: Path, second: Path) -> Table:
    """Build the table of two reports.

    Args:
        first (Path): The folder of a report.
        second (Path): Another one; its differences to the first are shown.

    Raises:
        SettingError: If one of them has no report, or nothing is in both.
    """
    a, b = read_last_accuracies(first), read_last_accuracies(second)
    both = [key for key in a if a[key] and b.get(key)]
    if not both:
        raise SettingError(
            f'{first} and {second} have no trained method of a pair in '
            f'common; compare reports of the same pairs.'
        )
    table = Table(title=escape(f'A: {first}\nB: {second}'))
    table.add_column('pair')
    table.add_column('method')
    for name in ('A', 'B', 'B - A', 'seeds in both'):
        table.add_column(name, justify='right')
    for key in both:
        difference = paired_difference(b[key], a[key])
        means = [sum(v.values()) / len(v) for v in (a[key], b[key])]
        cells = ['', '0']
        if difference is not None:
            half = difference.half
            cells[0] = f'{difference.mean:+.2f}'
            cells[0] += '' if half is None else f' ± {half:.2f}'
            cells[1] = str(len(a[key].keys() & b[key].keys()))
        table.add_row(
            *map(escape, key), *(f'{mean:.2f}' for mean in means), *cells
        )
    table.caption = 'mean top-1 after the last epoch, %; ±: 95 % interval'
    return table
