"""The site: `make docs` writes docs/en/_build/html/index.html."""

import json
import os
import re
import shutil
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

import mmrazor_lakd

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
GENERATED = HERE / 'generated'
# Pages that have their source elsewhere, or in another form.
PAGES = {
    ROOT / 'CHANGELOG.md': GENERATED / 'changelog.md',
    HERE / 'first_distillation.ipynb': GENERATED / 'first_distillation.md',
    **{
        readme: GENERATED / 'methods' / f'{readme.parent.name}.md'
        for readme in ROOT.glob('configs/*/README.md')
    },
}

project = 'mmrazor_lakd'
copyright = 'the mmrazor_lakd authors, Apache 2.0'
release = version = mmrazor_lakd.__version__

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon']
exclude_patterns = ['_build']
# Two classes of one name leave open which of them a type hint means.
suppress_warnings = ['ref.python']

myst_enable_extensions = ['dollarmath']
myst_heading_anchors = 4
smartquotes_action = 'qe'  # no dash in place of an option's --

html_theme = 'furo'
html_title = f'mmrazor_lakd {release}'
html_static_path = ['_static/site.css']
html_css_files = ['site.css']
html_copy_source = False
html_math_renderer = 'mathml'

add_module_names = False
autodoc_default_options = {
    'members': True,
    'show-inheritance': True,
    'ignore-module-all': True,
}
autodoc_member_order = 'bysource'
python_maximum_signature_line_length = 60
napoleon_use_ivar = True
napoleon_use_rtype = False

LINK = re.compile(r'\]\(([^)#\s:]+)(#[^)\s]*)?')


def mend_links(text: str, source: Path, target: Path) -> str:
    """Fit a page's links for another place, and for the pages of PAGES."""

    def mend(match: re.Match) -> str:
        path = Path(os.path.normpath(source.parent / match[1]))
        if not path.exists():
            return match[0]
        path = PAGES.get(path, path)
        link = os.path.relpath(path, target.parent)
        if path.suffix == '.md' and HERE not in path.parents:
            return f'](path:{link}'  # of the repository: a file, no page
        return f']({link}{match[2] or ""}'

    return LINK.sub(mend, text)


def notebook_text(source: Path) -> str:
    """Write a notebook as Markdown, with the outputs that are saved in it."""
    parts = []
    for cell in json.loads(source.read_text())['cells']:
        text = ''.join(cell['source'])
        is_code = cell['cell_type'] == 'code'
        parts.append(f'```python\n{text}\n```' if is_code else text)
        for output in cell.get('outputs', []):
            if 'text' in output:
                parts.append(f'```text\n{"".join(output["text"])}```')
            elif 'image/png' in output['data']:
                png = output['data']['image/png'].replace('\n', '')
                parts.append(f'![the figure](data:image/png;base64,{png})')
    name = os.path.relpath(source, GENERATED)
    parts.append(f'{{download}}`This page as a notebook <{name}>`')
    return '\n\n'.join(parts)


def write_pages_from_elsewhere() -> None:
    for source, target in PAGES.items():
        is_notebook = source.suffix == '.ipynb'
        text = notebook_text(source) if is_notebook else source.read_text()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(mend_links(text, source, target))


def write_api_pages() -> None:
    """Make a page of each room of the package, with all modules in it."""
    (GENERATED / 'api').mkdir(parents=True)
    for init in ROOT.glob('mmrazor_lakd/**/__init__.py'):
        room = '.'.join(init.parent.relative_to(ROOT).parts)
        title = room.partition('.')[2] or room
        lines = [title, '=' * len(title), '', f'.. automodule:: {room}', '']
        for path in sorted(init.parent.glob('[a-z]*.py')):
            lines += [path.stem, '-' * len(path.stem), '']
            lines += [f'.. automodule:: {room}.{path.stem}', '']
        (GENERATED / 'api' / f'{room}.rst').write_text('\n'.join(lines))


def write_math(self, node) -> None:
    """Write a formula as MathML, which browsers show without a script."""
    block = isinstance(node, nodes.math_block)
    # Parentheses of MathML grow by themselves.
    text = re.sub(r'\\[bB]igg?\b', '', node.astext())
    math = tex2mathml(text, as_block=block)
    self.body.append(f'<div class="math">{math}</div>' if block else math)
    raise nodes.SkipNode


def read_page(app, docname: str, source: list) -> None:
    path = Path(app.env.doc2path(docname))
    source[0] = mend_links(source[0], path, path)


def setup(app) -> None:
    shutil.rmtree(GENERATED, ignore_errors=True)
    write_pages_from_elsewhere()
    write_api_pages()
    app.connect('source-read', read_page)
    app.add_html_math_renderer(
        'mathml', (write_math, None), (write_math, None)
    )
