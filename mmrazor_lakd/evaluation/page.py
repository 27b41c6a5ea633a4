"""The parts of a report, as Markdown and as a page of its own."""

import base64
import html
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence

from ..benchmark.cost_report import markdown_line


class Section(NamedTuple):
    """A part of the report.

    Attributes:
        title (str): Its title.
        text (str): What a reader must know of it.
        header (list[str]): Names of the table's columns; the first columns
            are texts, the others numbers.
        rows (list[list[str]]): The table.
        texts (int): How many columns are texts.
        picture (str, optional): A file beside the report.
    """

    title: str
    text: str
    header: List[str]
    rows: List[List[str]]
    texts: int = 1
    picture: Optional[str] = None


def to_markdown(
    title: str, sections: Sequence[Section], end: Sequence[str]
) -> str:
    """Write the report as Markdown."""
    lines = [f'# {title}']
    for section in sections:
        lines += ['', f'## {section.title}', '', section.text]
        if section.picture:
            lines += ['', f'![{section.title}]({section.picture})']
        if section.rows:
            numbers = len(section.header) - section.texts
            lines += ['', markdown_line(section.header)]
            lines.append('|---' * section.texts + '|---:' * numbers + '|')
            lines += [markdown_line(row) for row in section.rows]
    lines += ['', '## How it was made', '']
    lines += [f'- {line}' for line in end]
    return '\n'.join(lines) + '\n'


STYLE = """
body { font: 15px/1.45 sans-serif; color: #111; background: #fff;
       max-width: 72em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; display: block;
        overflow-x: auto; }
th, td { padding: .25em .7em; border-bottom: 1px solid #ccc; }
th { text-align: left; border-bottom: 2px solid #111; }
td.number, th.number { text-align: right;
                       font-variant-numeric: tabular-nums; }
img { max-width: 100%; height: auto; }
"""


def to_html(
    title: str, sections: Sequence[Section], end: Sequence[str], out: Path
) -> str:
    """Write the report as one page that needs no other file.

    Args:
        title (str): Its title.
        sections (Sequence[Section]): Its parts.
        end (Sequence[str]): How it was made.
        out (Path): The folder of the pictures.
    """
    parts = [
        '<!doctype html>',
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f'<title>{html.escape(title)}</title><style>{STYLE}</style></head>',
        f'<body><h1>{html.escape(title)}</h1>',
    ]
    for section in sections:
        name = html.escape(section.title)
        parts += [f'<h2>{name}</h2>', f'<p>{html.escape(section.text)}</p>']
        if section.picture:
            content = base64.b64encode((out / section.picture).read_bytes())
            parts.append(
                f'<img alt="{name}" src="data:image/png;base64,'
                f'{content.decode()}">'
            )
        if section.rows:
            parts.append('<table>')
            parts.append(_html_row(section.header, section.texts, 'th'))
            parts += [
                _html_row(row, section.texts, 'td') for row in section.rows
            ]
            parts.append('</table>')
    parts.append('<h2>How it was made</h2><ul>')
    parts += [f'<li>{html.escape(line)}</li>' for line in end]
    parts.append('</ul></body></html>')
    return '\n'.join(parts) + '\n'


def _html_row(cells: Sequence[str], texts: int, tag: str) -> str:
    """Write a row of a table."""
    done = [
        f'<{tag}{"" if place < texts else " class=number"}>'
        f'{html.escape(cell)}</{tag}>'
        for place, cell in enumerate(cells)
    ]
    return '<tr>' + ''.join(done) + '</tr>'
