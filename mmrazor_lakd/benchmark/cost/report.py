"""The report of what configs cost: screen, Markdown, CSV, JSON, pictures."""

import json
from pathlib import Path
from typing import Any, Dict, List, Sequence

from rich.console import Console

from ...provenance import describe_commit, describe_origin
from ...report import Report, Section, to_markdown
from .table import PARTS, format_row, make_rows, rich_tables


def write_markdown(path: Path, report: Dict[str, Any]) -> None:
    """Write the tables with all that belongs to them.

    Args:
        path (Path): The file.
        report (dict): As :func:`write_report` makes it.
    """
    sections = [
        Section(
            part.title,
            part.legend,
            ['config', *part.columns],
            [
                [row['config'], *format_row(row, part.columns)]
                for row in report['rows']
            ],
        )
        for part in PARTS
    ]
    title = 'What the configs cost'
    text = to_markdown(Report(title, '', sections, describe(report)))
    path.write_text(text, encoding='utf-8')


def describe(report: Dict[str, Any]) -> List[str]:
    """Say in lines what a reader of the tables must know."""
    lines = describe_origin(report)
    lines.append(f'reference: {report["reference"]}')
    floors = {r['floor']: [] for r in report['results']}
    for result in report['results']:
        floors[result['floor']].append(result['label'])
    for floor, labels in floors.items():
        lines.append(f'floor of {", ".join(labels)}: {floor}')
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
    path.write_text(json.dumps(report) + '\n')


def write_report(
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
        from .figures import draw_bars, draw_memory

        draw_bars(out / 'cost.png', results)
        draw_memory(out / 'memory_over_time.png', results)
        for table in rich_tables(rows):
            console.print(table)
    for line in describe(report):
        console.print(line, highlight=False, markup=False)
    console.print(f'Tables and pictures are in {out}.', markup=False)
