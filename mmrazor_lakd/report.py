"""Reports in parts: as Markdown, as one HTML page, and on the screen."""

import base64
import html
from pathlib import Path
from typing import List, NamedTuple, Sequence, Tuple

from rich.markup import escape
from rich.table import Table

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem;
       margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem;
        display: block; overflow-x: auto; }
th, td { padding: 0.3rem 0.7rem; text-align: left;
         min-width: 6rem; overflow-wrap: anywhere; }
.number { text-align: right; font-variant-numeric: tabular-nums;
          min-width: 0; white-space: nowrap; }
thead { border-bottom: 2px solid #222; }
tbody tr:nth-child(even) { background: #f4f4f4; }
img { max-width: 100%; height: auto; }
code { overflow-wrap: anywhere; font-size: 0.85rem; }
"""


class Section(NamedTuple):
    """A part of a report.

    Attributes:
        title (str): Its title.
        text (str): What a reader must know of the table.
        header (Sequence[str]): Names of the table's columns; empty for none.
        rows (Sequence[Sequence[str]]): The table.
        texts (int): How many columns, the first ones, are texts. The others
            are numbers.
        pictures (Sequence[tuple[str, str]]): Files in the report's folder,
            and what they show.
        facts (Sequence[str]): A list below; `code` in backticks.
    """

    title: str
    text: str = ''
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    texts: int = 1
    pictures: Sequence[Tuple[str, str]] = ()
    facts: Sequence[str] = ()


class Report(NamedTuple):
    """A whole report.

    Attributes:
        title (str): Its title.
        text (str): What comes first; may be empty.
        sections (Sequence[Section]): Its parts.
        facts (Sequence[str]): How it was made; `code` in backticks.
    """

    title: str
    text: str
    sections: Sequence[Section]
    facts: Sequence[str]


def to_markdown(report: Report) -> str:
    """Write a report as Markdown."""
    blocks = [[f'# {report.title}'], [report.text]]
    for section in report.sections:
        blocks += [[f'## {section.title}'], [section.text]]
        blocks.append(markdown_table(section) if section.header else [])
        blocks += [[f'![{what}]({file})'] for file, what in section.pictures]
        blocks.append([f'- {fact}' for fact in section.facts])
    blocks += [['## How it was made'], [f'- {fact}' for fact in report.facts]]
    written = ['\n'.join(block) for block in blocks]
    return '\n\n'.join(block for block in written if block) + '\n'


def markdown_table(section: Section) -> List[str]:
    """Write a section's table as lines of Markdown."""
    numbers = len(section.header) - section.texts
    rule = ['---'] * section.texts + ['---:'] * numbers
    return [
        '| ' + ' | '.join(cell.replace('|', r'\|') for cell in row) + ' |'
        for row in (section.header, rule, *section.rows)
    ]


def to_html(report: Report, folder: Path) -> str:
    """Write a report as one HTML page with the folder's pictures inside."""
    title = html.escape(report.title)
    parts = [f'<h1>{title}</h1>', _paragraph(report.text)]
    for section in report.sections:
        parts.append(f'<h2>{html.escape(section.title)}</h2>')
        parts.append(_paragraph(section.text))
        if section.header:
            parts += ['<table>', '<thead>', _row(section, section.header)]
            parts += ['</thead>', '<tbody>']
            parts += [_row(section, row) for row in section.rows]
            parts += ['</tbody>', '</table>']
        for file, what in section.pictures:
            data = base64.b64encode((folder / file).read_bytes()).decode()
            parts.append(
                f'<p><img alt="{html.escape(what)}" '
                f'src="data:image/png;base64,{data}"></p>'
            )
        parts.append(_list(section.facts))
    parts += ['<h2>How it was made</h2>', _list(report.facts)]
    body = '\n'.join(part for part in parts if part)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width">'
        f'<title>{title}</title><style>{STYLE}</style></head>\n'
        f'<body>\n{body}\n</body></html>\n'
    )


def write_pages(report: Report, folder: Path, name: str) -> None:
    """Write a report as NAME.md and NAME.html beside its pictures."""
    for ending, text in (
        ('md', to_markdown(report)),
        ('html', to_html(report, folder)),
    ):
        (folder / f'{name}.{ending}').write_text(text, encoding='utf-8')


def _paragraph(text: str) -> str:
    return f'<p>{html.escape(text)}</p>' if text else ''


def _row(section: Section, cells: Sequence[str]) -> str:
    """Write a row of a section's table; the header's is one, too."""
    tag = 'th' if cells is section.header else 'td'
    done = [
        f'<{tag}{"" if place < section.texts else " class=number"}>'
        f'{html.escape(cell)}</{tag}>'
        for place, cell in enumerate(cells)
    ]
    return f'<tr>{"".join(done)}</tr>'


def _list(facts: Sequence[str]) -> str:
    """Write lines, with `code` in them, as a list."""
    items = []
    for fact in facts:
        pieces = html.escape(fact).split('`')
        for number in range(1, len(pieces), 2):
            pieces[number] = f'<code>{pieces[number]}</code>'
        items.append(f'<li>{"".join(pieces)}</li>')
    return '<ul>\n' + '\n'.join(items) + '\n</ul>' if items else ''


def rich_table(section: Section, **numbers) -> Table:
    """Make a section's table for the screen; numbers: how they are shown."""
    table = Table(title=escape(section.title))
    for place, name in enumerate(section.header):
        if place < section.texts:
            width = None if place else 10
            table.add_column(escape(name), overflow='fold', min_width=width)
        else:
            table.add_column(escape(name), justify='right', **numbers)
    for row in section.rows:
        table.add_row(*map(escape, row))
    return table
