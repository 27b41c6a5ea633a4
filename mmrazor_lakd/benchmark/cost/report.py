"""The report of what configs cost: screen, Markdown, CSV, JSON, pictures."""

import json
from pathlib import Path
from typing import Any, Dict, List, Sequence

from rich.console import Console

from ...provenance import describe_commit, describe_origin
from ...report import Report, Section, to_markdown
from .table import TABLE_SECTIONS, format_row, make_rows, rich_tables


def write_markdown(path: Path, report: Dict[str, Any]) -> None:
    """Write the tables with all that belongs to them.

    Args:
        path (Path): The file.
        report (dict): As :func:`write_cost_report` makes it.
    """
    sections = [
        Section(
            section.title,
            section.legend,
            ['config', *section.columns],
            [
                [row['config'], *format_row(row, section.columns)]
                for row in report['rows']
            ],
        )
        for section in TABLE_SECTIONS
    ]
    title = 'What the configs cost'
    text = to_markdown(
        Report(title, '', sections, describe_measurements(report))
    )
    path.write_text(text, encoding='utf-8')


def describe_measurements(report: Dict[str, Any]) -> List[str]:
    """Say in lines what a reader of the tables must know."""
    lines = describe_origin(report)
    lines.append(f'reference: {report["reference"]}')
    loops = {r['floor']: [] for r in report['results']}
    for result in report['results']:
        loops[result['floor']].append(result['label'])
    for loop, labels in loops.items():
        lines.append(f'bare loop of {", ".join(labels)}: {loop}')
    for result in report['results']:
        for note in result['notes']:
            lines.append(f'{result["label"]}: {note}')
    for failure in report['failures']:
        lines.append(f'{failure["label"]} FAILED: {failure["reason"]}')
    return lines


def write_csv(path: Path, rows: Sequence[Dict[str, Any]]) -> None:
    """Write the rows, unrounded."""
    # A second that who only measures need not wait for.
    import pandas

    pandas.DataFrame(list(rows)).to_csv(path, index=False)


def write_json(path: Path, report: Dict[str, Any]) -> None:
    """Write everything."""
    path.write_text(json.dumps(report, indent=1) + '\n')


def write_cost_report(
    out: Path,
    found: Sequence[Dict[str, Any]],
    reference: str,
    command: str,
    console: Console,
) -> None:
    """Write tables and pictures, and print the tables.

    Args:
        out (Path): The folder for cost.md, cost.csv, cost.json, cost.png and
            memory_over_time.png.
        found (Sequence[dict]): For each config its ``label`` and what
            ``measure_cost`` gave, or else ``reason``: why it failed.
        reference (str): Label of the one that the others are compared with.
        command (str): What the user called.
        console (Console): Where to print.
    """
    results = [result for result in found if 'reason' not in result]
    by_label = {result['label']: result for result in results}
    rows = make_rows(results, by_label.get(reference))
    report = dict(
        command=command,
        reference=reference,
        **describe_commit(),
        machine=results[0]['machine'] if results else None,
        rows=rows,
        failures=[result for result in found if 'reason' in result],
        results=results,
    )
    write_json(out / 'cost.json', report)
    write_csv(out / 'cost.csv', rows)
    write_markdown(out / 'cost.md', report)
    if results:
        # Who measures in a process of its own need not load matplotlib.
        from .figures import draw_bars, draw_memory_over_time

        draw_bars(out / 'cost.png', results)
        draw_memory_over_time(out / 'memory_over_time.png', results)
        for table in rich_tables(rows):
            console.print(table)
    for line in describe_measurements(report):
        console.print(line, highlight=False, markup=False)
    console.print(f'Tables and pictures are in {out}.', markup=False)
