"""A suite's report as Markdown and as one HTML page."""

import base64
import html
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import pandas

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem;
       margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem; }
th, td { padding: 0.3rem 0.7rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead { border-bottom: 2px solid #222; }
tbody tr:nth-child(even) { background: #f4f4f4; }
img { max-width: 100%; }
code { overflow-wrap: anywhere; font-size: 0.85rem; }
.wide { overflow-x: auto; }
"""


class Section(NamedTuple):
    """One pair's part of the report.

    Attributes:
        pair (str): Its name.
        results (list[dict]): Those of its students.
        table (DataFrame): The table's cells as texts.
        pictures (list[tuple[str, str]]): Files in the report's folder, and
            what they show.
        facts (list[str]): What a reader must know; `code` in backticks.
    """

    pair: str
    results: List[Dict[str, Any]]
    table: pandas.DataFrame
    pictures: List[Tuple[str, str]]
    facts: List[str]


def markdown(
    title: str,
    legend: str,
    sections: Sequence[Section],
    facts: Sequence[str],
) -> str:
    """Write the report as Markdown."""
    lines = [f'# {title}', '', legend]
    for section in sections:
        lines += ['', f'## {section.pair}', '']
        lines += markdown_table(section.table)
        for file, text in section.pictures:
            lines += ['', f'![{text}]({file})']
        lines += ['', *(f'- {fact}' for fact in section.facts)]
    return '\n'.join([*lines, '', *(f'- {fact}' for fact in facts), ''])


def markdown_table(table: pandas.DataFrame) -> List[str]:
    """Write a table of texts as lines of Markdown."""
    rows = [table.columns, ['---', *['---:'] * (table.shape[1] - 1)]]
    rows += table.to_numpy().tolist()
    return ['| ' + ' | '.join(row) + ' |' for row in rows]


def page(
    report: Path,
    title: str,
    legend: str,
    sections: Sequence[Section],
    facts: Sequence[str],
) -> str:
    """Write the report as one HTML page with its pictures inside."""
    parts = [f'<h1>{html.escape(title)}</h1>', f'<p>{html.escape(legend)}</p>']
    for section in sections:
        parts.append(f'<h2>{html.escape(section.pair)}</h2>')
        parts.append('<div class="wide">')
        parts.append(section.table.to_html(index=False, border=0))
        parts.append('</div>')
        for file, text in section.pictures:
            data = base64.b64encode((report / file).read_bytes()).decode()
            parts.append(
                f'<p><img alt="{html.escape(text)}" '
                f'src="data:image/png;base64,{data}"></p>'
            )
        parts.append(html_list(section.facts))
    parts.append(html_list(facts))
    body = '\n'.join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<title>{html.escape(title)}</title><style>{STYLE}</style></head>'
        f'<body>\n{body}\n</body></html>\n'
    )


def html_list(facts: Sequence[str]) -> str:
    """Write lines, with `code` in them, as a list."""
    items = []
    for fact in facts:
        pieces = html.escape(fact).split('`')
        for number in range(1, len(pieces), 2):
            pieces[number] = f'<code>{pieces[number]}</code>'
        items.append(f'<li>{"".join(pieces)}</li>')
    return '<ul>' + '\n'.join(items) + '</ul>'
