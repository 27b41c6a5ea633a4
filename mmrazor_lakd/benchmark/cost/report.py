"""The cost report: console, Markdown, CSV, JSON, figures."""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

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
    lines += _describe_kept(report)
    if 'set_aside' in report:
        others = ', '.join(report['set_aside']['configs'])
        lines.append(
            f'not comparable with these, and now in '
            f'{report["set_aside"]["file"]}: {others}'
        )
    for failure in report['failures']:
        lines.append(f'{failure["label"]} FAILED: {failure["reason"]}')
    return lines


def _describe_kept(report: Dict[str, Any]) -> Iterator[str]:
    """Say by which commands, at which commits, the kept rows were measured."""
    kept = report.get('kept', {})
    origins: Dict[Tuple[str, str], List[str]] = {}
    for row in report['rows']:
        if row['config'] not in kept:
            continue
        commit = f', commit {row["commit"]}' if row.get('commit') else ''
        if commit and row.get('dirty'):
            commit += ', with changes'
        origin = kept[row['config']], commit
        origins.setdefault(origin, []).append(row['config'])
    for (command, commit), labels in origins.items():
        yield f'measured earlier: {", ".join(labels)}, by `{command}`{commit}'


def find_incomparable(
    earlier: Dict[str, Any],
    reference: str,
    digest: Optional[str],
    machine: Dict[str, Any],
) -> List[str]:
    """List what was measured earlier and can't stand beside new figures.

    That is all if the reference, beside which they were measured, was another
    one or had other settings, and else what was measured on another machine,
    with another number of threads or other versions.

    Args:
        earlier (dict): An earlier cost.json. One without digests is trusted to
            have the same settings.
        reference (str): Label of the new reference.
        digest (str, optional): Digest of its settings.
        machine (dict): From :func:`~mmrazor_lakd.provenance.describe_machine`.
    """
    labels = [row['config'] for row in earlier['rows']]
    known = earlier.get('digests', {}).get(reference, digest)
    if (earlier['reference'], known) != (reference, digest):
        return labels
    machines = {
        result['label']: result.get('machine') or earlier['machine']
        for result in earlier['results']
    }
    return [
        label
        for label in labels
        if any(
            machines.get(label, earlier['machine'])[part] != machine[part]
            for part in ('cpu', 'device', 'threads', 'versions')
        )
    ]


def keep_earlier(report: Dict[str, Any], earlier: Dict[str, Any]) -> List[str]:
    """Keep what was measured earlier, and not now.

    Args:
        report (dict): The new report, to which is added.
        earlier (dict): The earlier one.

    Returns:
        list[str]: What isn't kept; see :func:`find_incomparable`.
    """
    reference, known = report['reference'], earlier.get('digests', {})
    others = find_incomparable(
        earlier,
        reference,
        report['digests'].get(reference),
        report['machine'],
    )
    measured = {row['config'] for row in report['rows']}
    rows = [
        row
        for row in earlier['rows']
        if row['config'] not in measured and row['config'] not in others
    ]
    kept = {row['config'] for row in rows}
    report['rows'] += [_add_commit(row, earlier) for row in rows]
    report['results'] += [r for r in earlier['results'] if r['label'] in kept]
    report['digests'].update({k: v for k, v in known.items() if k in kept})
    for label in kept - known.keys():
        report['digests'].pop(label, None)  # its measurement failed now
    commands = earlier.get('kept', {})
    report['kept'] = {
        row['config']: commands.get(row['config'], earlier['command'])
        for row in rows
    }
    return [label for label in others if label not in measured]


def _add_commit(
    row: Dict[str, Any], earlier: Dict[str, Any]
) -> Dict[str, Any]:
    """Add the commit to a row of earlier versions, if it is known."""
    if 'commit' in row or row['config'] in earlier.get('kept', {}):
        return row
    origin = {name: earlier.get(name) for name in ('commit', 'dirty')}
    return {**row, **origin}


def set_aside(out: Path) -> str:
    """Keep a copy of a cost.json that is about to be replaced.

    Returns:
        str: Name of the copy, next to it.
    """
    numbers = itertools.count(1)
    names = (f'cost-earlier-{number}.json' for number in numbers)
    name = next(name for name in names if not (out / name).exists())
    shutil.copyfile(out / 'cost.json', out / name)
    return name


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
            that were not measured now are kept. If some of them can't be, see
            :func:`find_incomparable`, it goes to cost-earlier-N.json.
    """
    results = [result for result in found if 'reason' not in result]
    by_label = {result['label']: result for result in results}
    # Imported lazily, since it takes seconds.
    import pandas

    origin = describe_commit()
    rows = make_rows(results, by_label.get(reference))
    report: Dict[str, Any] = dict(
        command=command,
        reference=reference,
        **origin,
        machine=results[0]['machine'] if results else None,
        # each with its own, since some may be kept from earlier
        rows=[{**row, **origin} for row in rows],
        failures=[result for result in found if 'reason' in result],
        results=list(results),
        digests=dict(digests or {}),
    )
    if earlier:
        others = keep_earlier(report, earlier)
        if others:
            report['set_aside'] = dict(file=set_aside(out), configs=others)
    (out / 'cost.json').write_text(json.dumps(report) + '\n')
    rows = report['rows']
    pandas.DataFrame(rows).to_csv(out / 'cost.csv', index=False)
    sections, lines = make_sections(rows), describe_measurements(report)
    text = to_markdown(Report('What the configs cost', '', sections, lines))
    (out / 'cost.md').write_text(text, encoding='utf-8')
    if results:
        from .figures import draw_bars, draw_memory_over_time

        draw_bars(out / 'cost.png', report['results'])
        # The suites' kept results are without the memory of each moment.
        traced = [r for r in report['results'] if 'live' in r['memory']]
        draw_memory_over_time(out / 'memory_over_time.png', traced)
        for section in sections:
            console.print(rich_table(section, no_wrap=True))
    for line in lines:
        console.print(line, highlight=False, markup=False)
    console.print(f'Tables and pictures are in {out}.', markup=False)
