"""Wrong inputs of all tools: one sentence, exit status 2, no traceback.

The table in docs/en/notes/wrong_inputs.md is written by
:func:`test_every_wrong_input` with ``WRITE_TABLE=1`` (``make refusals
WRITE=1``).
"""

import os
import platform
import re
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
import wrong_files
import wrong_names
import wrong_tools
import wrong_values
from conftest import ROOT
from fork_server import call_tool
from inputs import BASES, RIGHT, SHORT, Wrong, short_training
from made_files import add_trained, make_files

SLOW = pytest.mark.slow
TABLE = ROOT / 'docs' / 'en' / 'notes' / 'wrong_inputs.md'
GROUPS = {
    'Misspelt names': wrong_names.NAMES,
    'Misspelt types': wrong_names.TYPES,
    'Misspelt and missing keys': wrong_names.KEYS,
    'Numbers': wrong_values.NUMBERS,
    'Other settings': wrong_values.SETTINGS,
    'Networks and checkpoints': wrong_values.MODELS,
    'Distillers and losses': wrong_values.LOSSES,
    'Configs and options': wrong_files.CONFIGS,
    'Folders and launchers': wrong_files.FOLDERS,
    'Resuming': wrong_files.RESUME + wrong_files.RESUMED,
    'Testing': wrong_files.TEST,
    'tools/analyze.py': wrong_tools.ANALYZE,
    'tools/visualize.py': wrong_tools.VISUALIZE,
    'tools/analyze_cost.py': wrong_tools.COST,
    'tools/benchmark.py': wrong_tools.BENCHMARK,
    'tools/benchmark_dataloader.py': wrong_tools.LOADER,
    'tools/make_config.py': wrong_tools.OWN,
    'tools/model_converters/export_student.py': wrong_tools.EXPORT,
    'Converters': wrong_tools.CONVERTERS,
    'tools/list_networks.py and tools/demo.py': wrong_tools.OTHERS,
}
#: one of each group, which every run of the tests tries
SAMPLE = [
    next((f'{group} {i}', w) for i, w in enumerate(inputs) if not w.pending)
    for group, inputs in GROUPS.items()
]
#: what the texts of Python's and PyTorch's own errors depend on
MADE_WITH = (
    f'Python {".".join(platform.python_version_tuple()[:2])} and PyTorch '
    f'{torch.__version__.partition("+")[0]}'
)
HEAD = f"""# Wrong inputs

The errors of {{count}} wrong inputs, each one change away from a valid one.
`tools/train.py` starts from a config of the digits, shortened to one
iteration; `plain` is `{BASES['plain']}`, the others are
written by `tools/make_config.py` for
`resnet20_resnet8_1xb64_digits`. `TMP` is a folder with generated files. All
end before the first iteration, or in the first validation where metrics are
to blame, with exit status 2 and without a traceback; `--debug` shows it.

A test writes this page (`make refusals WRITE=1`), here with {{made_with}}.
"""


@pytest.fixture(scope='module')
def tools(tmp_path_factory):
    """Run a right or wrong input; return how it ended, paths made short."""
    return Tools(tmp_path_factory)


class Tools:
    """The tools, and files for them."""

    def __init__(self, tmp_path_factory) -> None:
        self.folder = tmp_path_factory.mktemp('wrong')
        make_files(self.folder)
        self.trained = {
            base: self.folder / f'trained_{base}' for base in ('plain', 'lakd')
        }
        for base in self.trained:
            ended = self.train(base)
            assert ended.returncode == 0, ended.stderr[-3000:]
        add_trained(self.folder, self.trained)

    def train(self, base: str) -> CompletedProcess:
        """Run a right training of one iteration."""
        work = self.folder / f'trained_{base}'
        return self._run('train.py', short_training(base), work, {})

    def run(self, name: str, wrong: Wrong) -> CompletedProcess:
        """Run an input, in a folder of its own."""
        work = self.folder / 'work' / re.sub(r'\W+', '_', name)
        if wrong.text:
            work.mkdir(parents=True)
            for config in self.folder.glob('*.py'):
                (work / config.name).write_text(config.read_text('latin1'))
            (work / 'config.py').write_text(self._fill(wrong.text, work))
        return self._run(wrong.tool, wrong.args, work, wrong.env)

    def _run(self, tool, args, work: Path, env) -> CompletedProcess:
        args = [self._fill(argument, work) for argument in args]
        ended = call_tool(f'tools/{tool}', *args, env=env)
        ended.stderr = self._shorten(ended.stderr, work)
        return ended

    def _fill(self, text: str, work: Path) -> str:
        folders = dict(
            tmp=self.folder, work=work, root=ROOT, config=work / 'config.py'
        )
        return re.sub(
            r'\{(tmp|work|root|config)\}', lambda m: str(folders[m[1]]), text
        )

    def _shorten(self, text: str, work: Path) -> str:
        for folder, name in ((work, 'TMP'), (self.folder, 'TMP')):
            text = text.replace(str(folder), name)
        text = text.replace(f'{ROOT}/', '').replace(str(ROOT), '.')
        text = re.sub(r'[^\s\'"(]*/site-packages/', '', text)
        return re.sub(r'(\.pyx?), line \d+\)', r'\1)', text)  # of a program


def sentence_of(ended: CompletedProcess, wrong: Wrong) -> str:
    """Check how a wrong input ended; return the sentence."""
    lines = [line for line in ended.stderr.splitlines() if 'error: ' in line]
    assert ended.returncode == 2, ended
    assert 'Traceback' not in ended.stdout + ended.stderr, ended.stderr[-3000:]
    assert len(lines) == 1, ended.stderr[-3000:]
    for word in wrong.words:
        assert word in lines[0], (word, lines[0])
    return lines[0].partition('error: ')[2]


def describe(wrong: Wrong) -> str:
    """Write an input for the table."""
    if wrong.text:
        lines = wrong.text.strip().splitlines()
        bases = ("_base_ = '{root}/c", "_base_ = '{tmp}/bases")
        own = [i for i in lines if not i.startswith(bases)]
        return f'config: `{"` `".join(own[:1] or lines[-1:])}`'
    left_out = {*SHORT, '--cfg-options', '--work-dir', '{work}'}
    teacher = 'model.teacher_ckpt={tmp}/teacher.pth'
    kept = [a for a in wrong.args if a not in {*left_out, teacher}]
    for name, path in BASES.items():
        if wrong.tool == 'train.py' and kept[:1] == [path]:
            kept[0] = name
    text = ' '.join([wrong.tool.rpartition('/')[2], *kept])
    return f'`{text.replace("{tmp}", "TMP")}`'


def row(wrong: Wrong, sentence: str) -> str:
    """Write a line of the table."""
    cells = (describe(wrong), sentence, '2')
    return '| ' + ' | '.join(c.replace('|', r'\|') for c in cells) + ' |'


@pytest.mark.parametrize(
    'base',
    [
        base if base in ('plain', 'lakd') else pytest.param(base, marks=SLOW)
        for base in BASES
    ],
)
def test_right_trainings(tools, base):
    """The inputs that the wrong ones start from are right."""
    if base not in tools.trained:
        ended = tools.train(base)
        assert ended.returncode == 0, ended.stderr[-3000:]
    assert (tools.folder / f'trained_{base}' / 'epoch_1.pth').is_file()


@pytest.mark.parametrize(
    'right',
    [*RIGHT[:-1], pytest.param(RIGHT[-1], marks=SLOW)],
    ids=lambda right: right.tool,
)
def test_right_calls(tools, right):
    ended = tools.run(f'right {right.tool}', right)
    assert ended.returncode == 0, ended.stderr[-3000:]


@pytest.mark.parametrize('name, wrong', SAMPLE, ids=[n for n, _ in SAMPLE])
def test_some_wrong_inputs(tools, name, wrong):
    line = row(wrong, sentence_of(tools.run(f'some {name}', wrong), wrong))
    if MADE_WITH in TABLE.read_text():
        assert line in TABLE.read_text().splitlines(), 'make refusals WRITE=1'


def test_debug_shows_the_traceback(tools):
    wrong = wrong_names.NAMES[0]
    ended = tools.run('debug', wrong._replace(args=[*wrong.args, '--debug']))
    assert ended.returncode == 2
    assert 'Traceback (most recent call last)' in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith('error: --cfg-options')


@SLOW
def test_every_wrong_input(tools):
    """All of them; makes the table, or checks that it is as it was made."""
    lines, failures, count = [], [], 0
    for group, inputs in GROUPS.items():
        lines += ['', f'## {group}', '', '| input | sentence | status |']
        lines += ['|---|---|---:|']
        for number, wrong in enumerate(inputs):
            ended = tools.run(f'{group} {number}', wrong)
            try:
                sentence = sentence_of(ended, wrong)
            except AssertionError as error:
                if not wrong.pending:
                    failures.append(f'{describe(wrong)}: {error}')
                continue
            if wrong.pending:
                failures.append(f'{describe(wrong)}: no longer pending')
            lines.append(row(wrong, sentence))
            count += 1
    assert not failures, '\n'.join(failures)
    head = HEAD.format(count=count, made_with=MADE_WITH)
    page = head + '\n'.join(lines) + '\n'
    if os.environ.get('WRITE_TABLE'):
        TABLE.write_text(page)
    if MADE_WITH in TABLE.read_text():
        assert TABLE.read_text() == page, 'make refusals WRITE=1'
