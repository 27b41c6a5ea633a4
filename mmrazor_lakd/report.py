"""Write reports as Markdown or one HTML page, or show them in a terminal."""

import base64
import re
from html import escape as escape_html
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

import rich.console
from markdown_it import MarkdownIt
from rich.console import ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table

from .errors import printable

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem;
       margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: 0.3rem 0.7rem; border-bottom: 1px solid #ddd; }
img { max-width: 100%; }
"""
BRACKETS = r'\[\]'
READER = MarkdownIt().enable(['table', 'strikethrough'])


class Console(rich.console.Console):
    """A console on which names from files can't control the terminal."""

    def render(
        self,
        renderable: RenderableType,
        options: Optional[ConsoleOptions] = None,
    ) -> Iterator[Segment]:
        """Replace control characters in all text but rich's own."""
        for segment in super().render(renderable, options):
            if not segment.control and not segment.text.isprintable():
                segment = segment._replace(text=printable(segment.text))
            yield segment


class Section(NamedTuple):
    """A section of a report.

    Attributes:
        title (str): Its title.
        text (str): Explanation of the table.
        header (Sequence[str]): Names of the table's columns; empty for no
            table.
        rows (Sequence[Sequence[str]]): Rows of the table.
        texts (int): Number of leading columns with text; the others contain
            numbers.
        pictures (Sequence[tuple[str, str]]): Files in the report's folder,
            and what they show.
        facts (Sequence[str]): A list at the end; `code` in backticks.
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
        text (str): Introduction; may be empty.
        sections (Sequence[Section]): Its sections.
        facts (Sequence[str]): How it was made; `code` in backticks.
    """

    title: str
    text: str
    sections: Sequence[Section]
    facts: Sequence[str]


def to_markdown(report: Report) -> str:
    """Write a report as Markdown."""
    blocks = [[f'# {_escape(report.title)}'], [_escape(report.text)]]
    for section in report.sections:
        blocks += [[f'## {_escape(section.title)}'], [_escape(section.text)]]
        blocks.append(markdown_table(section) if section.header else [])
        blocks += [
            [f'![{_escape(what, BRACKETS)}]({file})']
            for file, what in section.pictures
        ]
        blocks.append([f'- {_escape_fact(fact)}' for fact in section.facts])
    blocks.append(['## How it was made'])
    blocks.append([f'- {_escape_fact(fact)}' for fact in report.facts])
    written = ['\n'.join(block) for block in blocks]
    return '\n\n'.join(block for block in written if block) + '\n'


def markdown_table(section: Section) -> List[str]:
    """Write a section's table as lines of Markdown."""
    numbers = len(section.header) - section.texts
    rule = ['---'] * section.texts + ['---:'] * numbers
    return [
        '| ' + ' | '.join(map(_markdown_cell, row)) + ' |'
        for row in (section.header, rule, *section.rows)
    ]


def _markdown_cell(text: str) -> str:
    """Write a cell that stays in its row."""
    return _escape(text, r'\|')


def _escape(text: str, special: str = '') -> str:
    """Write a text, in one line, that Markdown shows as it is.

    Most need no escape: ``num_modules`` doesn't, ``__background__`` does.
    ``special`` are characters, of a regular expression, that always do.
    """
    text = ' '.join(text.split('\n'))
    _, inline, *_ = READER.parse(f'# {text}')
    parts = inline.children or []
    shown = ''.join(part.content for part in parts if part.type == 'text')
    defines = text.lstrip().startswith('[')  # an address, if ]: follows
    if shown == text.strip() and len(parts) <= 1 and not defines:
        return re.sub(f'[{special}]', r'\\\g<0>', text) if special else text
    return re.sub(r'[\\`*_\[\]<>&~#|]', r'\\\g<0>', text)


def _escape_fact(fact: str) -> str:
    """Write an item of a list, with its `code`."""
    parts = re.split('(`[^`]+`)', fact)
    parts[::2] = map(_escape, parts[::2])
    return ''.join(parts)


def to_html(report: Report, folder: Path) -> str:
    """Write a report as one HTML page with the folder's pictures inside."""
    body = MarkdownIt(options_update={'html': False}).enable('table')
    page = body.render(to_markdown(report))
    for section in report.sections:
        for file, _ in section.pictures:
            data = base64.b64encode((folder / file).read_bytes()).decode()
            page = page.replace(
                f'src="{file}"', f'src="data:image/png;base64,{data}"'
            )
    return (
        f'<!doctype html>\n<meta charset="utf-8">\n'
        f'<title>{escape_html(report.title)}</title>\n'
        f'<style>{STYLE}</style>\n{page}'
    )


def write_pages(report: Report, folder: Path, name: str) -> None:
    """Write a report as NAME.md and NAME.html beside its pictures."""
    for ending, text in (
        ('md', to_markdown(report)),
        ('html', to_html(report, folder)),
    ):
        (folder / f'{name}.{ending}').write_text(text, encoding='utf-8')


def rich_table(section: Section, **numbers) -> Table:
    """Create a section's table; ``numbers`` are options of number columns."""
    table = Table(title=escape(section.title))
    for place, name in enumerate(section.header):
        if place < section.texts:
            table.add_column(escape(name), overflow='fold')
        else:
            table.add_column(escape(name), justify='right', **numbers)
    for row in section.rows:
        table.add_row(*map(escape, row))
    return table
