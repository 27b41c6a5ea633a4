"""The report of a suite: Markdown, CSV, figures."""

from pathlib import Path
from statistics import median
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import pandas
from rich.console import Console

from ...errors import SettingError
from ...report import Report, Section, rich_table, to_markdown
from .configs import flatten_options
from .costs import describe_outdated, measure_costs, read_current_costs
from .figures import draw_accuracies, draw_curves, draw_peak_memory
from .results import is_teacher, read_results
from .suite import Suite
from .table import format_table, make_table, read_published

ACCUMULATION = 'optim_wrapper.accumulative_counts'
LEGEND = (
    'top-1 accuracy in %, of the last epoch and of the best one: mean ± '
    'standard deviation of the seeds. "minus {reference}": mean difference, '
    'paired by seed, ± half of its 95 % interval (Student). "time", "memory": '
    'of a training step, beside {reference} in one run of '
    'tools/analyze_cost.py. "published": by the files of the pairs, for '
    'the budget of the literature. An empty cell was not measured or not '
    'found. The best epoch is chosen by these accuracies themselves and is '
    'there only for comparison with the literature, which does so.'
)


def write_suite_report(
    report: Path,
    suite: Suite,
    failures: Sequence[Dict[str, str]],
    others: int,
    command: str,
    measure: bool,
    root: Path,
    console: Console,
) -> List[Dict[str, str]]:
    """Write report.md, report.csv and the figures.

    Args:
        report (Path): The folder, with the results in it.
        suite (Suite): The suite.
        failures (Sequence[dict]): New failures, each with ``name`` and
            ``reason``.
        others (int): Number of results of other settings in the folder.
        command (str): The user's command.
        measure (bool): Whether to measure the cost of a step again.
        root (Path): The project's folder.
        console (Console): Where to print the tables.

    Returns:
        list[dict]: ``failures``, and those of the cost measurement.

    Raises:
        SettingError: If there is nothing to report.
    """
    every = [r for r in read_results(report, suite) if not is_teacher(r)]
    # Of a part of the suite, the reference is there to be compared with.
    shown = {m.get('same_as', m['title']) for m in suite.settings['methods']}
    results = [result for result in every if result['method'] in shown]
    if not results and not failures:
        raise SettingError(
            f'There are no results of the suite {suite.name} in '
            f'{report}; train some, without --report-only.'
        )
    report.mkdir(parents=True, exist_ok=True)
    failures = list(failures)
    if measure:
        failures += measure_costs(report, suite, root, console)
    costs, outdated = {}, {}
    for pair in suite.settings['pairs']:
        found = read_current_costs(report, suite, pair)
        costs[pair], outdated[pair] = found
    table = make_table(
        every,
        suite.settings,
        {pair: rows for pair, rows in costs.items() if rows},
        read_published(root, suite.settings['pairs']),
    )
    table.to_csv(report / 'report.csv', index=False)
    sections = [
        make_section(
            report, suite, pair, table, results, costs[pair], outdated[pair]
        )
        for pair in suite.settings['pairs']
    ]
    facts = [f'This report: `{command}`.']
    if others:
        facts.append(
            f'Results in the folder that have other settings, not shown: '
            f'{others}.'
        )
    facts += [f'{f["name"]} FAILED: {f["reason"]}' for f in failures]
    legend = LEGEND.format(reference=suite.settings['reference'])
    whole = Report(suite.settings['title'], legend, sections, facts)
    page = report / 'report.md'
    page.write_text(to_markdown(whole), encoding='utf-8')
    for section in sections:
        if any(result['pair'] == section.title for result in results):
            console.print(rich_table(section))
    console.print(f'The report is {page}.', markup=False, soft_wrap=True)
    return failures


def make_section(
    report: Path,
    suite: Suite,
    pair: str,
    table: pandas.DataFrame,
    results: Sequence[Dict[str, Any]],
    costs: Dict[str, Dict[str, Any]],
    outdated: Sequence[str],
) -> Section:
    """Build one pair's table and figures."""
    settings = suite.settings
    rows = table[table['pair'] == pair]
    mine = [result for result in results if result['pair'] == pair]
    methods = [method['title'] for method in settings['methods']]
    pictures: List[Tuple[str, str]] = []
    if mine:
        title = f'{settings["title"]}\n{pair}'
        teachers = [r['teacher_top1'] for r in mine if r['teacher_top1']]
        teacher = median(teachers) if teachers else None

        def add(name: str, text: str) -> Path:
            pictures.append((f'{name}-{pair}.png', text))
            return report / pictures[-1][0]

        draw_accuracies(
            add('accuracy', 'Accuracy of each method'), rows, title, teacher
        )
        draw_curves(
            add('epochs', 'Accuracy over epochs'), mine, methods, title
        )
        if costs.keys() & set(methods):
            # From the ratios: single step times vary with the machine's load.
            step_ms = {
                name: row['time/reference']
                * costs[settings['reference']]['step ms']
                for name, row in costs.items()
                if row['time/reference'] is not None
            }
            same_as = {
                method['title']: method['same_as']
                for method in settings['methods']
                if 'same_as' in method
            }
            draw_curves(
                add('time', 'Accuracy over time'),
                mine, methods, title, step_ms, same_as,
            )  # fmt: skip
            draw_peak_memory(
                add('memory', 'Accuracy against memory'),
                rows, methods, settings['reference'], title,
            )  # fmt: skip
    cells = format_table(rows, settings['reference'])
    return Section(
        title=pair,
        header=list(cells.columns),
        rows=cells.to_numpy().tolist(),
        pictures=pictures,
        facts=[
            *describe_differences(settings['methods']),
            *describe_outdated(outdated),
            *describe_trainings(mine, report, pair),
        ],
    )


def describe_differences(methods: Sequence[Dict[str, Any]]) -> Iterator[str]:
    """Say which methods differ in more than the distillation, or in less."""
    for method in methods:
        if 'same_as' in method:
            yield (
                f'{method["title"]}: the accuracy is that of '
                f'{method["same_as"]}, since it computes the same; its time '
                f'and memory are its own.'
            )
        options = flatten_options(method.get('options', {}))
        steps = options.get(ACCUMULATION, 1)
        if steps > 1:
            yield (
                f'{method["title"]}: time and memory are of one of the '
                f'{steps} steps that make an update.'
            )
        if method.get('differs'):
            parts = ', '.join(method['differs'])
            yield f'{method["title"]}: {parts} unlike those of the others.'


def describe_trainings(
    results: Sequence[Dict[str, Any]], report: Path, pair: str
) -> Iterator[str]:
    """Describe how one pair's results were obtained."""
    if not results:
        yield 'Not trained yet.'
        return
    # The accuracy is missing if a config lacks TeacherAccuracyHook.
    teachers = {(r['teacher'], r['teacher_top1'] or 0) for r in results}
    for digest, accuracy in sorted(t for t in teachers if t[0]):
        known = f'{accuracy:.2f} %, ' if accuracy else ''
        yield f'Teacher: {known}weights {digest}.'
    epochs = sorted({len(result['top1']) for result in results})
    iterations = sorted({result['iterations'] for result in results})
    yield (
        f'Budget: {" or ".join(map(str, epochs))} epochs of '
        f'{" or ".join(map(str, iterations))} iterations.'
    )
    parts: Dict[Tuple[str, ...], List[str]] = {}
    for result in results:
        machine = result['machine']
        versions = ', '.join(
            f'{k} {v}' for k, v in machine['versions'].items() if v
        )
        device = machine['device']
        dirty = ', with changes' if result['dirty'] else ''
        key: Tuple[str, ...] = (
            f'{machine["cpu"]}, {machine["threads"]} thread(s) a training'
            + ('' if device == 'cpu' else f', {device}')
            + f', {result["precision"]}',
            versions,
            f'commit {result["commit"]}{dirty}',
        )
        name = f'{result["method"]} {result["seed"]}'
        parts.setdefault(key, []).append(name)
    for key, names in parts.items():
        which = 'all trainings' if len(parts) == 1 else ', '.join(names)
        yield f'{"; ".join(key)}: {which}.'
    cost = report / 'cost' / pair / 'cost.md'
    if cost.is_file():
        yield f'Time and memory: cost/{pair}/cost.md.'
    for result in results:
        name = f'{result["method"]}, seed {result["seed"]}'
        yield f'{name}: `{result["command"]}`'
