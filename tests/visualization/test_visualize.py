"""tools/visualize.py, as a user runs it, on real digits."""

import os
import re
import subprocess
import sys

import numpy as np
import pandas
import pytest
import torch
from bad_images import write_bad, write_good
from conftest import ROOT, classifier
from fork_server import call_tool
from mmpretrain.registry import MODELS
from rich.console import Console
from slow_maps import features_of, slow_correlation, slow_ndam

from mmrazor_lakd.datasets import Digits
from mmrazor_lakd.errors import SettingError
from mmrazor_lakd.visualization.gallery import make_gallery
from mmrazor_lakd.visualization.subjects import GallerySettings

LAKD = 'configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py'
KD = 'configs/kd/kd_resnet20_resnet8_1xb64_digits.py'
ALONE = 'configs/teachers/resnet8_1xb64_digits.py'
ENV = dict(
    os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', COLUMNS='200'
)
INDICES = [3, 40]
# Of the files that can be read.
DRAWN = (
    'plain.png',
    'alpha.png',
    'turned.jpg',
    'tiny.png',
    'named wrongly.dat',
    'cost_$5_$6 {x} [b].png',
)


def run(*arguments):
    return subprocess.run(
        [sys.executable, 'tools/visualize.py', *map(str, arguments)],
        cwd=ROOT,
        env=ENV,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    """A teacher and three students, whose classes do depend on the image."""
    folder = tmp_path_factory.mktemp('checkpoints')
    models = {}
    for seed, (name, depth) in enumerate(
        (('teacher', 20), ('lakd', 8), ('kd', 8), ('alone', 8))
    ):
        torch.manual_seed(seed)
        models[name] = MODELS.build(classifier(depth)).eval()
        models[name].init_weights()
        weights = models[name].state_dict()
        if name == 'kd':  # as mmrazor_lakd writes it
            weights = {f'architecture.{k}': v for k, v in weights.items()}
        if name == 'lakd':  # as MMRazor writes it
            weights = {
                f'{role}.{key}': value
                for role, model in (
                    ('architecture', models['lakd']),
                    ('teacher', models['teacher']),
                )
                for key, value in model.state_dict().items()
            }
        torch.save(dict(state_dict=weights), folder / f'{name}.pth')
    return folder, models


@pytest.fixture(scope='module')
def shown(models, tmp_path_factory):
    """LAKD beside KD and a student without a teacher, on test images."""
    folder, _ = models
    out = tmp_path_factory.mktemp('shown')
    done = run(
        LAKD, folder / 'lakd.pth', '--indices', *INDICES, '--out', out,
        '--compare', f'{folder / "kd.pth"},label=kd',
        f'{ALONE},{folder / "alone.pth"},label=alone',
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout, out


def test_files(shown):
    output, out = shown
    names = [f'test_image_{index}' for index in INDICES]
    for folder, ending in (('sheets', '.png'), ('maps', '.npz')):
        found = sorted(path.name for path in (out / folder).iterdir())
        assert found == sorted(name + ending for name in names)
    for path in [out / 'overview.png', *(out / 'sheets').iterdir()]:
        assert path.read_bytes().startswith(b'\x89PNG')
    assert f'Pictures, maps and tables are in {out}' in output
    assert "teacher: the student's checkpoint" in output


def test_maps_are_those_of_the_networks(shown, models):
    """By definition, in float64, from the weights and the images alone."""
    _, out = shown
    digits = Digits(split='test')
    table = pandas.read_csv(out / 'correlations.csv')
    for index in INDICES:
        image = digits.get_data_info(index)['img']
        batch = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
        batch = (batch.double() - 77.758) / 95.790
        saved = np.load(out / 'maps' / f'test_image_{index}.npz')
        assert (saved['image'] == image).all()
        assert saved['networks'].tolist() == ['teacher', 'lakd', 'kd', 'alone']
        modules = ['module 1', 'module 2', 'module 3']
        assert saved['modules'].tolist() == modules
        for number, module in enumerate(modules, 1):
            name = f'backbone.layer{number}.preact'
            maps = []
            for place, label in enumerate(saved['networks']):
                feature = features_of(models[1][label], batch, name)[0]
                maps.append(slow_ndam(feature))
                np.testing.assert_allclose(
                    saved[f'map_{place}_{number}'], maps[-1], atol=1e-5
                )
            for label, student in zip(saved['networks'][1:], maps[1:]):
                row = table[
                    (table.file == f'test_image_{index}')
                    & (table.student == label)
                    & (table.module == module)
                ]
                assert row.correlation.item() == pytest.approx(
                    slow_correlation(student, maps[0]), abs=1e-5
                )


def test_predictions(shown, models):
    output, out = shown
    digits = Digits(split='test')
    table = pandas.read_csv(out / 'predictions.csv', dtype=str)
    assert len(table) == 3 * 4 * len(INDICES)
    for index in INDICES:
        item = digits[index]
        batch = (item['inputs'][None].float() - 77.758) / 95.790
        for label, model in models[1].items():
            with torch.no_grad():
                scores = model(batch, mode='tensor').softmax(1)[0]
            rows = table[
                (table.file == f'test_image_{index}')
                & (table.network == label)
            ]
            best = scores.topk(3)
            assert rows.predicted_class.tolist() == [
                str(int(i)) for i in best.indices
            ]
            np.testing.assert_allclose(
                rows.probability.astype(float), best.values, atol=1e-5
            )
            assert set(rows.true_class) == {
                str(item['data_samples'].gt_label.item())
            }


def test_table_on_the_screen(shown):
    output, out = shown
    table = pandas.read_csv(out / 'correlations.csv')
    for label in ('lakd', 'kd', 'alone'):
        line = re.search(rf'│ {label} .*', output).group()
        own = table[table.student == label]
        for module in ('module 1', 'module 2', 'module 3'):
            mean = own[own.module == module].correlation.mean()
            assert f' {mean:.3f} ' in line
    assert '2/2' in output  # the progress


def test_own_images(models, tmp_path):
    """Each bad file by its name; the others are drawn; the status tells."""
    folder, _ = models
    images = tmp_path / 'mine'
    images.mkdir()
    good, bad = write_good(images), write_bad(images)
    # Of some the reading is tested alone.
    for name in set(good) - set(DRAWN):
        (images / name).unlink()
    good = {name: good[name] for name in DRAWN}
    (images / 'notes.md').write_text('not called like an image')
    (tmp_path / 'nothing').mkdir()
    (tmp_path / 'second').mkdir()
    plain = tmp_path / 'second' / 'plain.png'
    plain.write_bytes((images / 'plain.png').read_bytes())
    out = tmp_path / 'out'
    done = call_tool(
        'tools/visualize.py', KD, folder / 'kd.pth', images,
        tmp_path / 'nothing', plain, images / 'notes.md',
        images / 'named wrongly.dat', '--overview', 3, '--out', out,
        '--teacher', folder / 'teacher.pth', env={'COLUMNS': '200'},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr[-3000:]
    assert 'Traceback' not in done.stdout + done.stderr
    said = ' '.join(done.stdout.split())
    for name, reason in bad.items():
        assert f'{images / name} {reason}' in said
    assert f'{images / "notes.md"} is no image that Pillow can read' in said
    assert f'{tmp_path / "nothing"} is a folder without images' in said
    assert f'{len(bad) + 2} could not be shown' in said
    assert f'{images}: left out 2 file(s) that are not called like' in said
    for name, notes in good.items():
        if notes:
            assert f'{images / name}: {", ".join(notes)}' in said
    sheets = {path.stem for path in (out / 'sheets').iterdir()}
    expected = {re.sub(r'[^\w.-]+', '_', name) for name in good}
    assert sheets == expected | {'plain.png_2'}
    assert (out / 'overview.png').exists()
    table = pandas.read_csv(out / 'predictions.csv')
    assert table.true_class.isna().all()


def test_refusal(models, tmp_path):
    """One sentence, status 2, nothing written."""
    out = tmp_path / 'out'
    module = 'backbone.layer1.preakt'
    lakd = models[0] / 'lakd.pth'
    arguments = LAKD, lakd, '--modules', module, '--out', out
    done = call_tool('tools/visualize.py', *arguments)
    assert done.returncode == 2, done.stderr[-3000:]
    assert 'Traceback' not in done.stdout + done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(
        f"error: --modules: the teacher has no module '{module}'; "
        f'the nearest names are: backbone.layer1.preact'
    )
    assert not out.exists()


def test_further_refusals(models, tmp_path, monkeypatch):
    """The same without a process of its own."""
    monkeypatch.chdir(ROOT)
    folder, _ = models
    lakd, kd = str(folder / 'lakd.pth'), str(folder / 'kd.pth')
    text = tmp_path / 'a.png'
    text.write_text('none')
    for arguments, message in (
        (
            dict(config=KD, checkpoint=kd,
                 cfg_options={'model.teacher_ckpt': 'gone.pth'}),
            "model.teacher_ckpt='gone.pth' does not exist",
        ),
        (dict(images=[str(text)]), 'Not one of 1 image.s. can be shown'),
        (dict(compare=[kd, kd]), "Two networks are called 'checkpoints"),
        (dict(compare=['gone.pth']), "--compare='gone.pth' does not exist"),
        (dict(out=text), "a.png' is a file; name a folder"),
        (dict(config=lakd), 'the config first and then the checkpoint'),
        (dict(indices=[445]), 'numbered from 0 to 444'),
    ):  # fmt: skip
        settings = dict(
            config=LAKD, checkpoint=lakd, out=tmp_path / 'out',
        )  # fmt: skip
        settings.update(arguments)
        with pytest.raises(SettingError, match=message):
            make_gallery(GallerySettings(**settings), Console())
    assert not (tmp_path / 'out').exists()


def test_usage():
    tool = 'tools/visualize.py'
    done = call_tool(tool, LAKD, 'a.pth', 'b.png', '--indices', '1')
    assert done.returncode == 2 and 'usage:' in done.stderr
    done = call_tool(tool, LAKD, 'a.pth', '--compare', 'b.pth', 'b.png')
    assert done.returncode == 2 and "--compare has 'b.png'" in done.stderr


def test_sheets_of_earlier_calls_are_named(models, tmp_path):
    folder, _ = models
    call = LAKD, folder / 'lakd.pth', '--out', tmp_path, '--indices'
    assert 'earlier calls' not in run(*call, 0).stdout
    assert 'earlier calls' not in run(*call, 0).stdout
    assert 'So are 1 sheet(s) of earlier calls' in run(*call, 1).stdout
