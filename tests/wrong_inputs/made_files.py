"""Files that the wrong inputs name: checkpoints and others, some damaged."""

import io
import json
import os
import pickle
import shutil
import tarfile
from pathlib import Path
from typing import Dict

import torch
from conftest import ROOT, classifier
from inputs import BASES
from mmpretrain.registry import MODELS
from PIL import Image

from mmrazor_lakd.backbones import build_network
from mmrazor_lakd.benchmark.suite.results import RESULTS
from mmrazor_lakd.config_writer import choose, write_config

PAIR = 'resnet20_resnet8_1xb64_digits'

SUITE = """
_base_ = ['{root}/configs/benchmark/_base_/methods.py']
title = 'A suite of two methods'
pairs = ['resnet20_resnet8_1xb64_digits']
methods = [
    dict(title='KD', config='configs/kd/kd_{pair}.py'),
    dict(title='LAKD', config='configs/lakd/lakd_{pair}.py'),
]
seeds = [0]
epochs = 1
teacher_epochs = 1
"""


class Code:
    """What runs something when it is unpickled."""

    def __reduce__(self):
        return os.system, ('true',)


def make_files(folder: Path) -> None:
    """Write them.

    Args:
        folder (Path): Where.
    """
    for name, path in BASES.items():
        if path.startswith('{tmp}'):
            choice = choose(ROOT / 'configs', name, PAIR)
            write_config(choice, Path(path.format(tmp=folder)))
    torch.manual_seed(0)
    for name, depth in (('teacher', 20), ('student', 8), ('other', 14)):
        model = MODELS.build(classifier(depth))
        model.init_weights()
        torch.save(
            dict(state_dict=model.state_dict(), meta={}),
            folder / f'{name}.pth',
        )
    whole = (folder / 'teacher.pth').read_bytes()
    (folder / 'truncated.pth').write_bytes(whole[: len(whole) // 2])
    (folder / 'text.pth').write_text('not a checkpoint\n')
    (folder / 'empty.pth').touch()
    torch.save(
        dict(state_dict=model.state_dict(), extra=Code()), folder / 'code.pth'
    )
    (folder / 'pickled.pth').write_bytes(pickle.dumps(Code()))
    torch.save(dict(a=1, b=[2.0]), folder / 'numbers.pth')
    torch.save(
        build_network('resnet20').state_dict(), folder / 'published.pth'
    )
    _make_configs(folder)
    _make_packages(folder)
    _make_reports(folder)


def add_trained(folder: Path, trained: Dict[str, Path]) -> None:
    """Add the checkpoints of right inputs.

    Args:
        folder (Path): Where.
        trained (dict[str, Path]): The work directories, by their names.
    """
    for name, work_dir in trained.items():
        shutil.copy(work_dir / 'epoch_1.pth', folder / f'{name}.pth')
    checkpoint = torch.load(folder / 'plain.pth', weights_only=False)
    del checkpoint['optimizer']
    torch.save(checkpoint, folder / 'no_optimizer.pth')


def _make_configs(folder: Path) -> None:
    (folder / 'empty.py').touch()
    (folder / 'picture.py').write_bytes(b'\x89PNG\r\n\x1a\n\xff\x00')
    (folder / 'broken.json').write_text('{"model": ')
    (folder / 'child_of_gone.py').write_text("_base_ = ['./gone.py']\n")
    (folder / 'circle_a.py').write_text("_base_ = './circle_b.py'\n")
    (folder / 'circle_b.py').write_text("_base_ = './circle_a.py'\n")
    # What is written there meets a full disk.
    (folder / 'full').mkdir()
    for name in ('resnet8_1xb64_digits.py', 'full.json'):
        (folder / 'full' / name).symlink_to('/dev/full')


def _make_packages(folder: Path) -> None:
    """Make npm packages that are not CIFAR-10."""
    grey, labels = io.BytesIO(), json.dumps([11] * 60_000).encode()
    Image.new('L', (1024, 8)).save(grey, 'PNG')
    colour = io.BytesIO()
    Image.new('RGB', (1024, 8)).save(colour, 'PNG')
    batches = [f'data_batch_{i}' for i in range(1, 6)] + ['test_batch']
    for name, members in (
        ('others', {'index.js': b''}),
        ('grey', {f'{batch}.png': grey.getvalue() for batch in batches}),
        ('labels', {f'{batch}.png': colour.getvalue() for batch in batches}),
    ):
        if len(members) > 1:
            members.update(
                {'train_lables.json': labels, 'test_lables.json': labels}
            )
        with tarfile.open(folder / f'{name}.tgz', 'w:gz') as tar:
            for member, data in members.items():
                info = tarfile.TarInfo(f'package/{member}')
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def _make_reports(folder: Path) -> None:
    """Make a suite of benchmarks, and what is no report of it."""
    # a right one, in a folder whose name rich would take for its own markup
    right = folder / 'a[' / 'b]'
    right.mkdir(parents=True)
    (right / 'report.csv').write_text('pair,method,seed 0\na,[/b],90.0\n')
    suite = folder / 'suite.py'
    suite.write_text(SUITE.replace('{root}', str(ROOT)))
    (folder / 'broken_suite.py').write_text('title = (')
    for report, text in (('damaged', 'not JSON {'), ('unfit', '{"seed": 0}')):
        (folder / report).mkdir()
        (folder / report / 'report.csv').write_text(f'{text}\n"')
        (folder / report / RESULTS).write_text(text)
