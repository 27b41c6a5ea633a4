"""tools/analyze.py and tools/visualize.py on a segmentor and a detector."""

import json

import numpy as np
import pandas
import pytest
import torch
from conftest import ROOT
from fork_server import call_tool
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image

from mmrazor_lakd.analysis import cells, linear_cka, map_correlation
from mmrazor_lakd.checkpoints.model_configs import register_package
from mmrazor_lakd.datasets.canvas import coco_annotations, paint_all
from mmrazor_lakd.losses import ndam_map

pytest.importorskip('mmcv.ops')
pytest.importorskip('mmdet')
pytest.importorskip('mmseg')
from mmrazor.registry import MODELS  # noqa: E402

CONFIGS = dict(
    mmseg='configs/lakd/mmseg/lakd_pspnet_r50_pspnet_r18_1xb8_canvas.py',
    mmdet='configs/lakd/mmdet/lakd_retinanet_r50_retinanet_r18_1xb8_canvas.py',
)
# The boundaries, and the last blocks of student and teacher.
ENDS = dict(
    mmseg=[(f'backbone.layer{i}',) * 2 for i in (1, 2, 3)],
    mmdet=[('backbone.layer1',) * 2],
)
LAST = ('backbone.layer4.1', 'backbone.layer4.2')
COUNT = 4
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class Trained:
    """A folder with pictures, a student and a teacher, all of them random."""

    def __init__(self, package, folder):
        self.folder = folder
        self.config = ROOT / CONFIGS[package]
        self.ends = [*ENDS[package], LAST]
        self._paint(folder / 'data' / 'cifar10_canvas')
        cfg = Config.fromfile(self.config)
        register_package(package)
        DefaultScope.get_instance(str(folder), scope_name=package)
        torch.manual_seed(0)
        self.student, self.teacher = (
            MODELS.build(cfg.model[role]).eval()
            for role in ('architecture', 'teacher')
        )
        state = {
            f'architecture.{k}': v
            for k, v in self.student.state_dict().items()
        }
        self.checkpoint = folder / 'iter_1.pth'
        torch.save(dict(state_dict=state), self.checkpoint)
        path = folder / cfg.model.teacher_ckpt
        path.parent.mkdir(parents=True)
        torch.save(dict(state_dict=self.teacher.state_dict()), path)

    def _paint(self, root):
        for name in ('img_dir/val', 'ann_dir/val', 'annotations'):
            (root / name).mkdir(parents=True)
        rng = np.random.default_rng(0)
        objects = rng.integers(256, size=(9, 32, 32, 3), dtype=np.uint8)
        painted = list(paint_all(objects, np.arange(9) % 3, COUNT, 96, 0))
        names = [f'{number:05d}.png' for number in range(COUNT)]
        for canvas, name in zip(painted, names):
            Image.fromarray(canvas.image).save(root / 'img_dir/val' / name)
            Image.fromarray(canvas.mask).save(root / 'ann_dir/val' / name)
        (root / 'annotations/val.json').write_text(
            json.dumps(
                coco_annotations(
                    painted, names, ('airplane', 'automobile', 'frog')
                )
            )
        )
        self.pictures = [canvas.image for canvas in painted]

    def maps(self, model, name):
        """A module's maps in a whole pass, with a plain hook."""
        images = (np.stack(self.pictures) - np.array(MEAN)) / np.array(STD)
        found = []
        hook = model.get_submodule(name).register_forward_hook(
            lambda module, inputs, output: found.append(output.clone())
        )
        with torch.no_grad():
            model(
                torch.from_numpy(images).permute(0, 3, 1, 2).float(),
                mode='tensor',
            )
        hook.remove()
        return found[0]

    def run(self, tool, *args):
        done = call_tool(
            ROOT / 'tools' / tool, self.config, self.checkpoint, *args,
            cwd=self.folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


@pytest.fixture(scope='module', params=CONFIGS)
def trained(request, tmp_path_factory):
    package = request.param
    return Trained(package, tmp_path_factory.mktemp(package))


def test_analyze(trained):
    trained.run('analyze.py', '--out', 'out')
    out = trained.folder / 'out'
    report = json.loads((out / 'analysis.json').read_text())
    assert report['images'] == COUNT
    assert len(report['modules']) == len(trained.ends)
    for row, (student, teacher) in zip(report['modules'], trained.ends):
        assert (row['student_map'], row['teacher_map']) == (student, teacher)
        own = trained.maps(trained.student, student)
        taught = trained.maps(trained.teacher, teacher)
        cka = linear_cka(cells(own), cells(taught)).item()
        assert row['cka'] == pytest.approx(cka, abs=1e-4)
        r = map_correlation(ndam_map(own), ndam_map(taught)).mean().item()
        assert row['ndam_r'] == pytest.approx(r, abs=1e-3)
    # What needs logits is left out, and the report says so.
    assert report['agreement'] == report['accuracies'] == report['gains'] == []
    text = (out / 'analysis.md').read_text()
    assert text.count('are left out') == 1
    assert 'Agreement' not in text and '| probe' not in text
    pictures = {path.name for path in out.glob('*.png')}
    assert pictures == {'cka.png', 'modules.png'}


def test_visualize(trained):
    printed = trained.run('visualize.py', '--indices', 2, 0, '--out', 'shown')
    assert ' '.join(printed.split()).count('are left out') == 1
    out = trained.folder / 'shown'
    assert {path.name for path in out.iterdir()} == {
        'correlations.csv', 'maps', 'overview.png', 'sheets'
    }  # fmt: skip
    table = pandas.read_csv(out / 'correlations.csv')
    assert len(table) == 2 * len(trained.ends)
    for index in (0, 2):
        saved = np.load(out / 'maps' / f'test_image_{index}.npz')
        assert (saved['image'] == trained.pictures[index]).all()
        assert 'scores' not in saved
        for number, (student, teacher) in enumerate(trained.ends, 1):
            for place, (model, name) in enumerate(
                ((trained.teacher, teacher), (trained.student, student))
            ):
                expected = ndam_map(trained.maps(model, name))[index, 0]
                np.testing.assert_allclose(
                    saved[f'map_{place}_{number}'], expected, atol=1e-3
                )


def test_own_image(trained):
    """At its own size, padded as the network's."""
    picture = np.zeros((100, 150, 3), np.uint8) + 200
    Image.fromarray(picture).save(trained.folder / 'mine.png')
    size, options = (100, 150), ()
    if 'mmdet' in str(trained.config):  # which pads to a multiple of 32
        size = (128, 160)
        pipeline = 'test_dataloader.dataset.pipeline'
        options = ('--cfg-options', f'{pipeline}.2.scale=(150,100)')
    trained.run('visualize.py', 'mine.png', '--out', 'own', *options)
    saved = np.load(trained.folder / 'own' / 'maps' / 'mine.png.npz')
    assert saved['image'].shape == (*size, 3)
    assert (saved['image'][:100, :150] == picture).all()
    assert saved['image'].sum() == picture.sum()
