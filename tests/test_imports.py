"""Imports run downwards: a room uses only those that stand before it."""

import ast
from pathlib import Path

import pytest
from conftest import ROOT

# From the bottom up, as CONTRIBUTING.md explains them.
ROOMS = [
    'version errors numpy_check safe_loading compat plotting report '
    'provenance launchers',
    'tracing',
    'losses',
    'connectors',
    'backbones',
    'heads',
    'datasets',
    'config_check',
    'cli',
    'checkpoints',
    'partition',
    'distillers',
    'algorithms',
    'config_writer',
    'engine',
    'analysis',
    'visualization',
    'benchmark',
]
FLOOR = {name: i for i, names in enumerate(ROOMS) for name in names.split()}
PACKAGE = 'mmrazor_lakd'
FILES = sorted(
    path.relative_to(ROOT)
    for path in (ROOT / PACKAGE).rglob('*.py')
    if '.mim' not in path.parts and path != ROOT / PACKAGE / '__init__.py'
)


def imported(path: Path):
    """Yield the modules of ours that a file imports, as lists of names."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split('.') for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            within = path.parts[: -node.level] if node.level else ()
            module = [*within, *(node.module or '').split('.')]
            yield from ([*module, alias.name] for alias in node.names)


@pytest.mark.parametrize('path', FILES, ids=str)
def test_imports_run_downwards(path):
    own = FLOOR[path.parts[1].split('.')[0]]
    for names in imported(path):
        names = [name for name in names if name]
        if names[0] == PACKAGE and names[1] in FLOOR:
            assert FLOOR[names[1]] <= own, '.'.join(names)
