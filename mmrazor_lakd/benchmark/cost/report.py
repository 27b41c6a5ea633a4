"""The cost report: console, Markdown, CSV, JSON, figures."""

import json
from pathlib import Path
from typing import Any, Dict, List, Sequence

from rich.console import Console

from ...provenance import describe_commit, describe_origin
from ...report import Report, Section, rich_table, to_markdown
from .table import TABLE_SECTIONS, format_row, make_rows


def make_sections(rows: Sequence[Dict[str, Any]]) -> List[Section]:
    """Build the tables from the rows of :func:`make_rows`."""
    return [
        Section(
            section.title,
            section.legend,
            ['config', *section.columns],
            [
                [row['config'], *format_row(row, section.columns)]
                for row in rows
            ],
        )
        for section in TABLE_SECTIONS
    ]


def describe_measurements(report: Dict[str, Any]) -> List[str]:
    """Describe the measurements for a reader of the tables."""
    lines = describe_origin(report)
    lines.append(f'reference: {report["reference"]}')
    loops: Dict[str, List[str]] = {r['floor']: [] for r in report['results']}
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


def write_cost_report(
    out: Path,
    found: Sequence[Dict[str, Any]],
    reference: str,
    command: str,
    console: Console,
) -> None:
    """Write tables and figures, and print the tables.

    Args:
        out (Path): The folder for cost.md, cost.csv, cost.json, cost.png and
            memory_over_time.png.
        found (Sequence[dict]): For each config its ``label`` and the result of
            ``measure_cost``, or ``reason``: why it failed.
        reference (str): Label of the one that the others are compared with.
        command (str): The user's command.
        console (Console): Where to print.
    """
    results = [result for result in found if 'reason' not in result]
    by_label = {result['label']: result for result in results}
    # Imported lazily, since it takes seconds.
    import pandas

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
    (out / 'cost.json').write_text(json.dumps(report) + '\n')
    pandas.DataFrame(rows).to_csv(out / 'cost.csv', index=False)
    sections, lines = make_sections(rows), describe_measurements(report)
    text = to_markdown(Report('What the configs cost', '', sections, lines))
    (out / 'cost.md').write_text(text, encoding='utf-8')
    if results:
        from .figures import draw_bars, draw_memory_over_time

        draw_bars(out / 'cost.png', results)
        draw_memory_over_time(out / 'memory_over_time.png', results)
        for section in sections:
            console.print(rich_table(section, no_wrap=True))
    for line in lines:
        console.print(line, highlight=False, markup=False)
    console.print(f'Tables and pictures are in {out}.', markup=False)
