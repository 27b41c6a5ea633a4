"""The cost report: console, Markdown, CSV, JSON, figures."""

import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

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
    kept = report.get('kept', {})
    for command in dict.fromkeys(kept.values()):
        labels = [label for label in kept if kept[label] == command]
        lines.append(f'measured earlier: {", ".join(labels)}, by `{command}`')
    for failure in report['failures']:
        lines.append(f'{failure["label"]} FAILED: {failure["reason"]}')
    return lines


def keep_earlier(report: Dict[str, Any], earlier: Dict[str, Any]) -> None:
    """Keep what was measured earlier, and not now.

    Nothing is kept from another machine, nor if the reference, beside which
    the earlier ones were measured, was another one or had other settings.

    Args:
        report (dict): The new report, to which is added.
        earlier (dict): The earlier one. One without digests is trusted to
            have the same settings.
    """
    reference, known = report['reference'], earlier.get('digests', {})
    digest = report['digests'].get(reference)
    if (earlier['reference'], known.get(reference, digest)) != (
        reference,
        digest,
    ) or any(
        earlier['machine'][part] != report['machine'][part]
        for part in ('cpu', 'device')
    ):
        return
    measured = {row['config'] for row in report['rows']}
    rows = [row for row in earlier['rows'] if row['config'] not in measured]
    kept = {row['config'] for row in rows}
    report['rows'] += rows
    report['results'] += [r for r in earlier['results'] if r['label'] in kept]
    report['digests'].update({k: v for k, v in known.items() if k in kept})
    for label in kept - known.keys():
        report['digests'].pop(label, None)  # its measurement failed now
    commands = earlier.get('kept', {})
    report['kept'] = {
        row['config']: commands.get(row['config'], earlier['command'])
        for row in rows
    }


def write_cost_report(
    out: Path,
    found: Sequence[Dict[str, Any]],
    reference: str,
    command: str,
    console: Console,
    digests: Optional[Dict[str, str]] = None,
    earlier: Optional[Dict[str, Any]] = None,
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
        digests (dict, optional): Digests of the configs' settings by label,
            for cost.json.
        earlier (dict, optional): An earlier cost.json, of whose configs those
            that were not measured now are kept; see :func:`keep_earlier`.
    """
    results = [result for result in found if 'reason' not in result]
    by_label = {result['label']: result for result in results}
    # Imported lazily, since it takes seconds.
    import pandas

    report: Dict[str, Any] = dict(
        command=command,
        reference=reference,
        **describe_commit(),
        machine=results[0]['machine'] if results else None,
        rows=make_rows(results, by_label.get(reference)),
        failures=[result for result in found if 'reason' in result],
        results=list(results),
        digests=dict(digests or {}),
    )
    if earlier:
        keep_earlier(report, earlier)
    (out / 'cost.json').write_text(json.dumps(report) + '\n')
    rows = report['rows']
    pandas.DataFrame(rows).to_csv(out / 'cost.csv', index=False)
    sections, lines = make_sections(rows), describe_measurements(report)
    text = to_markdown(Report('What the configs cost', '', sections, lines))
    (out / 'cost.md').write_text(text, encoding='utf-8')
    if results:
        from .figures import draw_bars, draw_memory_over_time

        draw_bars(out / 'cost.png', report['results'])
        draw_memory_over_time(out / 'memory_over_time.png', results)
        for section in sections:
            console.print(rich_table(section, no_wrap=True))
    for line in lines:
        console.print(line, highlight=False, markup=False)
    console.print(f'Tables and pictures are in {out}.', markup=False)
