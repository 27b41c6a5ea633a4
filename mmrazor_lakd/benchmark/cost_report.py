"""The report of what configs cost: screen, Markdown, CSV, JSON, pictures."""

import json
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import torch
from mmengine.device import get_device
from rich.console import Console

from ..report_page import Report, Section, to_markdown
from .cost_table import PARTS, format_row, make_rows, rich_tables

PACKAGES = (
    'torch',
    'mmengine',
    'mmpretrain',
    'mmrazor',
    'mmrazor-lakd',
)
# What a result depends on, and not the reports beside it.
CODE = ('mmrazor_lakd', 'configs', 'tools')


def describe_machine() -> Dict[str, Any]:
    """Say on what was measured: versions, processor, threads, device."""
    versions = {'python': platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # used from its folder
            versions[name] = None
    gpu = get_device() == 'cuda'
    return dict(
        versions=versions,
        cpu=_cpu_model(),
        threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name() if gpu else 'cpu',
    )


def _cpu_model() -> str:
    """The processor's name, as well as the system tells it."""
    info = Path('/proc/cpuinfo')
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or platform.machine()


def describe_commit(folder: Path) -> Dict[str, Any]:
    """Say which commit a folder is at, and whether its code differs from it.

    Args:
        folder (Path): The project's.

    Returns:
        dict: ``commit`` and ``dirty``; both None where there is no git.
    """

    def git(*arguments: str) -> Optional[str]:
        try:
            done = subprocess.run(
                ['git', '-C', str(folder), *arguments],
                capture_output=True,
                text=True,
            )
        except OSError:  # no git
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    status = git('status', '--porcelain', '--', *CODE)
    return dict(
        commit=git('rev-parse', 'HEAD'),
        dirty=None if status is None else bool(status),
    )


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


def describe_origin(report: Dict[str, Any]) -> List[str]:
    """Say in lines with what, and on what, a report was made.

    Args:
        report (dict): With ``machine`` from :func:`describe_machine` or
            None, ``commit`` and ``dirty`` from :func:`describe_commit`, and
            ``command``.
    """
    lines = []
    machine = report['machine']
    if machine is not None:
        device = '' if machine['device'] == 'cpu' else f', {machine["device"]}'
        versions = ', '.join(
            f'{name} {number}'
            for name, number in machine['versions'].items()
            if number
        )
        lines.append(
            f'{machine["cpu"]}, {machine["threads"]} thread(s) of '
            f'PyTorch{device}; {versions}'
        )
    if report['commit'] is not None:
        dirty = ', with changes' if report['dirty'] else ''
        lines.append(f'commit {report["commit"]}{dirty}')
    lines.append(f'`{report["command"]}`')
    return lines


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
    folder: Path,
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
        folder (Path): Of the program, for its commit.
        console (Console): Where to print.
    """
    results = [result for result in found if 'reason' not in result]
    by_label = {result['label']: result for result in results}
    rows = make_rows(results, by_label.get(reference))
    report = dict(
        command=command,
        reference=reference,
        **describe_commit(folder),
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
        from .cost_figures import draw_bars, draw_memory

        draw_bars(out / 'cost.png', results)
        draw_memory(out / 'memory_over_time.png', results)
        for table in rich_tables(rows):
            console.print(table)
    for line in describe(report):
        console.print(line, highlight=False, markup=False)
    console.print(f'Tables and pictures are in {out}.', markup=False)
