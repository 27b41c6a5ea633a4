"""The table of a suite: accuracies, compared with the reference."""

from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy as np
import pandas
from mmengine.config import Config
from scipy import stats

from ...config_writer import config_path
from ...config_writer.choose import PAIRS
from .training import config_of

CONFIDENCE = 0.95


class Difference(NamedTuple):
    """A difference of means, with the half width of its interval.

    ``half`` is None if fewer than two seeds have both sides.
    """

    mean: float
    half: Optional[float]


def paired_difference(
    values: Dict[int, float], reference: Dict[int, float]
) -> Optional[Difference]:
    """Compare two methods seed by seed.

    Args:
        values (dict[int, float]): Accuracy by seed.
        reference (dict[int, float]): Likewise.

    Returns:
        Difference | None: Mean of the differences over the seeds that both
        have, and half the width of Student's 95 % interval for it (n - 1
        degrees of freedom); None if they have no seed in common.
    """
    seeds = sorted(values.keys() & reference.keys())
    if not seeds:
        return None
    differences = np.array([values[s] - reference[s] for s in seeds])
    if len(seeds) < 2:
        return Difference(float(differences[0]), None)
    error = differences.std(ddof=1) / np.sqrt(len(seeds))
    factor = stats.t.ppf((1 + CONFIDENCE) / 2, len(seeds) - 1)
    return Difference(float(differences.mean()), float(factor * error))


def make_table(
    results: Sequence[Dict[str, Any]],
    settings: Dict[str, Any],
    costs: Dict[str, Dict[str, Dict[str, float]]],
    published: Dict[str, float],
) -> pandas.DataFrame:
    """Compute a row for each pair and method, in the suite's order.

    Args:
        results (Sequence[dict]): Kept results of the students.
        settings (dict): Settings of the suite.
        costs (dict): ``time/reference`` and ``peak/reference`` of a training
            step, by pair and method.
        published (dict): Published accuracies by path of the config.

    Returns:
        DataFrame: Accuracies in %; None if unknown. ``last`` and ``best`` are
        means over the seeds of the last epoch's and of the best epoch's
        accuracy, ``std`` is the sample standard deviation; ``seed 0`` and so
        on are the last accuracies of single seeds.
    """
    found: Dict[tuple, Dict[int, Dict[str, Any]]] = {}
    for result in results:
        key = (result['pair'], result['method'])
        found.setdefault(key, {})[result['seed']] = result
    rows = []
    for pair in settings['pairs']:
        reference = last_by_seed(found.get((pair, settings['reference']), {}))
        for method in settings['methods']:
            trained = method.get('same_as', method['title'])
            runs = found.get((pair, trained), {})
            last = last_by_seed(runs)
            best = {seed: max(run['top1']) for seed, run in runs.items()}
            difference = paired_difference(last, reference)
            cost = costs.get(pair, {}).get(method['title'], {})
            config = config_of(method, pair, settings['title'])
            rows.append(
                dict(
                    pair=pair,
                    method=method['title'],
                    seeds=len(runs),
                    last=_mean(last),
                    std=_std(last),
                    **{f'seed {s}': last.get(s) for s in settings['seeds']},
                    best=_mean(best),
                    best_std=_std(best),
                    difference=difference and difference.mean,
                    half_interval=difference and difference.half,
                    time=cost.get('time/reference'),
                    memory=cost.get('peak/reference'),
                    published=published.get(config),
                )
            )
    return (
        pandas.DataFrame(rows)
        .astype(object)
        .where(lambda table: table.notna(), None)
    )


def last_by_seed(runs: Dict[int, Dict[str, Any]]) -> Dict[int, float]:
    """Return the last epoch's accuracy of each seed."""
    return {seed: run['top1'][-1] for seed, run in sorted(runs.items())}


def _mean(values: Dict[int, float]) -> Optional[float]:
    return float(np.mean(list(values.values()))) if values else None


def _std(values: Dict[int, float]) -> Optional[float]:
    if len(values) < 2:
        return None
    return float(np.std(list(values.values()), ddof=1))


def read_published(root: Path, pairs: Sequence[str]) -> Dict[str, float]:
    """Read the published accuracies from the files of the pairs.

    Args:
        root (Path): The folder of ``configs``.
        pairs (Sequence[str]): Names of pairs.

    Returns:
        dict[str, float]: Top-1 accuracy in % by path of the config.
    """
    found = {}
    configs = root / 'configs'
    for pair in pairs:
        path = configs / PAIRS / f'{pair}.py'
        if not path.is_file():
            continue
        published = dict(Config.fromfile(path).get('published_top1', {}))
        published.pop('teacher', None)
        for method, value in published.items():
            config = config_path(configs, method, pair).relative_to(root)
            found[config.as_posix()] = value
    return found


def seed_columns(table: pandas.DataFrame) -> List[str]:
    """List the columns of :func:`make_table` for single seeds."""
    return [name for name in table.columns if name.startswith('seed ')]


def format_table(table: pandas.DataFrame, reference: str) -> pandas.DataFrame:
    """Format one pair's rows for the report.

    Cells that weren't measured or published are empty.
    """
    seeds = seed_columns(table)
    numbers = ', '.join(name[len('seed ') :] for name in seeds)
    rows: List[Dict[str, str]] = []
    for row in table.to_dict('records'):
        listed = ' / '.join(
            '-' if row[name] is None else f'{row[name]:.2f}' for name in seeds
        )
        rows.append(
            {
                'method': row['method'],
                'top-1, last epoch': _plus_minus(row['last'], row['std']),
                f'seeds {numbers}': listed if row['seeds'] else '',
                'best epoch': _plus_minus(row['best'], row['best_std']),
                f'minus {reference}': ''
                if row['method'] == reference
                else _plus_minus(
                    row['difference'], row['half_interval'], sign='+'
                ),
                f'time / {reference}': _ratio(row['time']),
                f'memory / {reference}': _ratio(row['memory']),
                'published': _plus_minus(row['published'], None),
            }
        )
    return pandas.DataFrame(rows)


def _plus_minus(
    value: Optional[float], spread: Optional[float], sign: str = ''
) -> str:
    if value is None:
        return ''
    text = f'{value:{sign}.2f}'
    return text if spread is None else f'{text} ± {spread:.2f}'


def _ratio(value: Optional[float]) -> str:
    return '' if value is None else f'{value:.3f}'
