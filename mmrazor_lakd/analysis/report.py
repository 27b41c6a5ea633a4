"""The report of an analysis: Markdown, CSV, JSON, figures, one HTML page."""

import json
import math
from pathlib import Path
from typing import Any, Dict, List, Optional

from rich.console import Console

from ..provenance import describe_origin
from ..report import Report, Section, rich_table, write_pages


def format_number(
    value: Optional[float], digits: int = 2, factor: float = 1
) -> str:
    """Format a number; empty for None and nan."""
    if value is None or math.isnan(value):
        return ''
    return f'{factor * value:.{digits}f}'


def make_sections(report: Dict[str, Any]) -> List[Section]:
    """Build the sections of a report.

    Args:
        report (dict): Result of :meth:`Analysis.measure`, with ``networks``,
            each with its ``label``, ``config`` and ``checkpoint``.
    """
    sections = [
        _networks(report),
        _modules(report),
        Section(
            'Depth against depth',
            'Linear CKA of every block of the student (rows) with every '
            "block of the teacher (columns). Framed: a module's last blocks. "
            'analysis.json has the numbers.',
            pictures=[('cka.png', 'CKA of all blocks')],
        ),
    ]
    if report['agreement']:
        sections.append(_agreement(report))
    if report['gains']:
        sections.append(
            Section(
                'Classes gained and lost',
                pictures=[('classes.png', 'Gain of each class')],
            )
        )
    for other in dict.fromkeys(row['against'] for row in report['gains']):
        sections.append(_gains(report, other))
    return sections


def _networks(report: Dict[str, Any]) -> Section:
    """Build the table of the networks."""
    header = ['network', 'config', 'checkpoint']
    names = ['label', 'config', 'checkpoint']
    rows = [
        [network[name] for name in names] for network in report['networks']
    ]
    if not report['agreement']:
        text = (
            f'On {report["images"]:,} test images. Segmentors and detectors '
            f'have no logits of shape (N, classes): top-1, linear probes, '
            f'agreement and classes are left out.'
        )
        return Section('Networks', text, header, rows, texts=3)
    for row, accuracy in zip(rows, report['accuracies']):
        row.append(format_number(accuracy, 2, 100))
    text = f'top-1: on {report["images"]:,} test images, in %.'
    return Section('Networks', text, [*header, 'top-1'], rows, texts=3)


def _agreement(report: Dict[str, Any]) -> Section:
    """Build the table of the agreement with the teacher."""
    return Section(
        'Agreement',
        "In % of the images: the student's answer is the teacher's on all "
        'images, on those that the teacher answers rightly, and on those '
        'that it answers wrongly (the same wrong class). KL: how far the '
        "student's probabilities are from the teacher's, mean of "
        'KL(teacher || student) in nats.',
        ['student', 'all', 'teacher right', 'teacher wrong', 'KL'],
        [
            [row['student']]
            + [
                format_number(row[k], 1, 100)
                for k in ('all', 'right', 'wrong')
            ]
            + [format_number(row['divergence'], 3)]
            for row in report['agreement']
        ],
    )


def _modules(report: Dict[str, Any]) -> Section:
    """Build the table of the modules."""
    probe = (
        'Probe: top-1 in % of a linear classifier on the map, of the student '
        f'and of the teacher, fitted to {report["probe_images"]:,} training '
        'images.'
        if report['probe_images']
        else ''
    )
    header = ['student', 'module', 'student map', 'teacher map']
    header += ['CKA', 'NDAM r']
    if probe:
        header += ['probe', 'probe of teacher']
    rows = []
    for row in report['modules']:
        cells = [row['student'], str(row['module'])]
        cells += [row['student_map'], row['teacher_map']]
        cells += [
            format_number(row['cka'], 3),
            format_number(row['ndam_r'], 3),
        ]
        if probe:
            cells += [
                format_number(row[f'probe_{role}'], 1, 100)
                for role in ('student', 'teacher')
            ]
        rows.append(cells)
    grid = report['grid']
    text = (
        f'CKA: linear CKA of the two maps, with the {grid}x{grid} cells of '
        f'each image as samples; 1 where they differ by a rotation of the '
        f'channels and a scale. NDAM r: mean over the images of the '
        f'correlation of the two NDAM maps: do they look at the same places? '
        f'{probe}'
    )
    pictures = [('modules.png', 'Likeness of each module')]
    return Section('Modules', text.strip(), header, rows, 4, pictures)


def _gains(report: Dict[str, Any], other: str) -> Section:
    """Build the table of classes gained and lost against one student."""
    rows = [row for row in report['gains'] if row['against'] == other]
    student = report['networks'][1]['label']
    return Section(
        f'Classes against {other}',
        f"Right answers in % of the class's test images. gain: {student} "
        f'less {other}, in points; only: images that one of the two alone '
        f'answers rightly; p: how probable a difference of at least this '
        f'size is where none of the two is better (exact McNemar test). Of '
        f'{len(rows)} classes, at most {0.05 * len(rows):.1f} have p < 0.05 '
        f'by chance, on average.',
        ['class', 'images', 'teacher', student, other, 'gain']
        + [f'only {student}', f'only {other}', 'p'],
        [
            [row['label'], str(row['images'])]
            + [
                format_number(row[key], 1, 100)
                for key in ('teacher', 'student', 'other', 'gain')
            ]
            + [str(row['only_model']), str(row['only_other'])]
            + [format_number(row['p'], 3)]
            for row in sorted(rows, key=lambda row: -row['gain'])
        ],
    )


def write_analysis_report(
    out: Path, report: Dict[str, Any], console: Console
) -> None:
    """Write all files of an analysis, and print its tables.

    Args:
        out (Path): The folder for analysis.md, .csv, .json and .html,
            modules.png, cka.png and, where students are compared,
            classes.png.
        report (dict): As :func:`make_sections` takes it, with what
            :func:`describe_origin` takes, ``grid`` and ``probe_images``.
        console (Console): Where to print.
    """
    import pandas

    from . import figures

    (out / 'analysis.json').write_text(
        json.dumps(_plain(report), indent=1) + '\n'
    )
    pandas.DataFrame(report['modules']).to_csv(
        out / 'analysis.csv', index=False
    )
    figures.draw_modules(out / 'modules.png', report['modules'])
    figures.draw_matrices(out / 'cka.png', report['matrices'])
    student = report['networks'][1]['label']
    if report['gains']:
        figures.draw_gains(out / 'classes.png', student, report['gains'])
    title = f'What {student} learned from its teacher'
    sections = make_sections(report)
    end = [*describe_origin(report), f'{report["seconds"]:.0f} s in all']
    write_pages(Report(title, '', sections, end), out, 'analysis')
    for section in sections:
        if section.rows:
            console.print(rich_table(section))
    for line in end:
        console.print(line, highlight=False, markup=False)
    line = f'Tables, pictures and analysis.html are in {out}.'
    console.print(line, markup=False)


def _plain(value: Any) -> Any:
    """Convert nan to None, since JSON has no nan."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
