"""The configs that the pages show build, and give losses, as they stand."""

import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch
from conftest import build_model, classifier, lakd, read_config, total
from fork_server import call_tool
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from mmpretrain import ImageClassificationInferencer
from mmpretrain.registry import DATASETS
from mmpretrain.structures import DataSample
from own_distillation import train_project
from own_distillation import write_project as write_distillation
from own_project import make_project, save_teacher
from PIL import Image
from processes import write

from mmrazor_lakd.checkpoints.export import read_student, write_student
from mmrazor_lakd.checkpoints.graphs import export_onnx
from mmrazor_lakd.config_check import check_config
from mmrazor_lakd.config_writer import own_config_text
from mmrazor_lakd.datasets import InMemoryDataset

ROOT = Path(__file__).parents[1]
DOCS = ROOT / 'docs/en'
OVER = '# in a config over one of configs/'
PAIR = 'resnet20_resnet8_1xb64_digits.py'
LAKD = f'configs/lakd/lakd_{PAIR}'


def blocks(page):
    """The Python blocks of a page."""
    text = (DOCS / page).read_text()
    return re.findall(r'^```python\n(.*?)^```', text, re.DOTALL | re.MULTILINE)


def loss_of(path, work_dir, size):
    """Build a config's algorithm as training does; its loss of two images."""
    cfg = read_config(path)
    check_config(cfg)  # as the tools do
    cfg.work_dir = str(work_dir)
    cfg.get('default_hooks', {}).pop('teacher_accuracy', None)
    model = Runner.from_cfg(cfg).model
    model.teacher_ckpt = None
    model.init_weights()
    images = torch.zeros(2, 3, size, size, dtype=torch.uint8)
    samples = [DataSample().set_gt_label(label) for label in range(2)]
    data = dict(inputs=list(images), data_samples=samples)
    data = model.train().data_preprocessor(data, True)
    return total(model(**data, mode='loss'))


def test_a_project_of_ones_own(tmp_path, monkeypatch):
    """The command writes what the page shows."""
    student, teacher, written = blocks('user_guides/own_project.md')
    make_project(tmp_path, side=224)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    names = ('configs/mobilenet_v2.py', 'configs/resnet50.py')
    for name, text in zip(names, (student, teacher)):
        write(Path(name), text)
    checkpoint = Path('checkpoints/resnet50.pth')
    checkpoint.parent.mkdir()
    save_teacher(Path(names[1]), checkpoint)
    folder = Path('configs/distillation')
    made = own_config_text(
        ROOT / 'configs', 'lakd', *names, str(checkpoint), folder
    )
    assert made == written
    path = write(folder / 'lakd.py', made)
    assert torch.isfinite(loss_of(path, tmp_path, 64))


def test_use_of_the_student(tmp_path, monkeypatch):
    """The page's blocks, one after the other, with the files it speaks of."""
    config = write_distillation(tmp_path, test=20)
    checkpoint = str(train_project(config))
    monkeypatch.chdir(tmp_path)
    found = read_student(read_config(config), checkpoint)
    write_student(found, Path('student.pth')).rename('student-1a2b3c4d.pth')
    next(Path('test').glob('*/*.png')).rename('image.png')
    infer, _, tuned, runtime = blocks('user_guides/use_student.md')
    names = {}
    exec(infer, names)
    assert names['maps'][0].shape == (32, 4, 4)

    Path('tuned.py').write_text(tuned)
    cfg = read_config('tuned.py')
    cfg.work_dir = 'tuned'
    runner = Runner.from_cfg(cfg)
    runner.call_hook('before_run')
    runner.load_or_resume()
    own, old = runner.model.state_dict(), found.model.state_dict()
    differing = [key for key in old if not torch.equal(own[key], old[key])]
    assert differing == ['head.fc.weight', 'head.fc.bias']

    pytest.importorskip('onnxruntime')
    export_onnx(found.model, torch.randn(2, 3, 32, 32), 'student.onnx')
    exec(runtime, names)
    result = int(names['logits'].argmax())
    assert result == names['result']['pred_label']


@DATASETS.register_module()
class ColouredImages(InMemoryDataset):
    """Four images in R, G, B, as CIFAR's are."""

    METAINFO = {'classes': tuple('0123456789')}

    def load_arrays(self):
        images = torch.zeros(4, 3, 32, 32, dtype=torch.uint8)
        images[:, 0], images[:, 1, 8:24] = 250, 90
        return images, torch.arange(4)


def test_use_of_a_student_of_coloured_images(tmp_path, monkeypatch):
    """The page's code predicts from a file what the training's data give."""
    config = read_config(ROOT / LAKD)
    config.data_preprocessor.mean = [125.0, 123.0, 114.0]
    for loader in (config.val_dataloader, config.test_dataloader):
        loader.dataset = dict(type='ColouredImages', ann_file='')
    model = build_model(lakd(), teacher=classifier(20))
    torch.save(model.state_dict(), tmp_path / 'a.pth')
    monkeypatch.chdir(tmp_path)
    found = read_student(config, 'a.pth')
    write_student(found, Path('student.pth')).rename('student-1a2b3c4d.pth')
    dataset = ColouredImages(ann_file='')
    image = dataset.get_data_info(0)['img']
    Image.fromarray(image).save('image.png')
    data = pseudo_collate([dataset[0]])
    with torch.no_grad():
        (expected,) = found.model.test_step(data)

    _, infer, _, runtime = blocks('user_guides/use_student.md')
    names = dict(ImageClassificationInferencer=ImageClassificationInferencer)
    exec(infer, names)
    scores = torch.tensor(names['result']['pred_scores'])
    torch.testing.assert_close(scores, expected.pred_score)

    prepare = runtime.partition('session =')[0]
    exec(prepare.replace('import onnxruntime', ''), names)
    prepared = found.model.data_preprocessor(data)['inputs']
    torch.testing.assert_close(torch.from_numpy(names['images']), prepared)


SHOWN = [
    (page, text)
    for page in (
        'get_started.md',
        'memory.md',
        'method.md',
        'user_guides/choose_modules.md',
        'user_guides/teachers.md',
    )
    for text in blocks(page)
    if text.startswith(OVER)
]


@pytest.mark.parametrize(
    'text', [text for _, text in SHOWN], ids=[page for page, _ in SHOWN]
)
def test_options_over_a_config_of_ours(tmp_path, text):
    method = text[len(OVER) :].partition('/')[0]
    base = ROOT / f'configs/{method}/{method}_{PAIR}'
    path = tmp_path / 'config.py'
    path.write_text(f'_base_ = {str(base)!r}\n{text}')
    assert read_config(path).model.distiller.type == 'LAKDDistiller'
    assert torch.isfinite(loss_of(path, tmp_path, 32))


def test_several_teachers_by_the_tools(tmp_path):
    """The page's config, from training to test."""
    (text,) = [
        b for b in blocks('user_guides/teachers.md') if 'weights=[' in b
    ]
    base = str(ROOT / LAKD)
    teacher = build_model(lakd(), teacher=classifier(20)).teacher
    for name in ('first', 'second'):
        path = tmp_path / f'{name}.pth'
        torch.save(dict(state_dict=teacher.state_dict()), path)
        text = text.replace(f'checkpoints/{name}.pth', str(path))
    path = write(tmp_path / 'config.py', f'_base_ = {base!r}\n{text}')
    short = (
        'train_cfg.max_epochs=1', 'train_dataloader.dataset.indices=64',
        'val_dataloader.dataset.indices=50',
        'test_dataloader.dataset.indices=50',
    )  # fmt: skip
    done = call_tool(
        'tools/train.py', path, '--work-dir', tmp_path / 'work',
        '--cfg-options', *short,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = call_tool(
        'tools/test.py', path, tmp_path / 'work' / 'epoch_1.pth',
        '--cfg-options', *short,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_block_that_readme_shows(tmp_path):
    (text,) = blocks('../../README.md')
    base = "_base_ = '"
    assert text.startswith(base)
    path = tmp_path / 'config.py'
    path.write_text(text.replace(base, f'{base}{ROOT}/', 1))
    distiller = read_config(path).model.distiller
    assert distiller.type == 'LAKDDistiller'
    assert list(distiller.distill_losses) == ['loss_dkd']
    assert distiller.num_modules == 4
    assert torch.isfinite(loss_of(path, tmp_path, 32))


def test_other_phases_of_blockwise_distillation(tmp_path):
    page = ROOT / 'configs/blockwise/README.md'
    base = page.with_name('blockwise_resnet20_resnet8_1xb128_cifar10.py')
    (text,) = blocks(page)
    path = write(tmp_path / 'config.py', f'_base_ = {str(base)!r}\n{text}')
    distiller = read_config(path).model.distiller
    assert distiller.local_phase == dict(epochs=20)
    assert not distiller.distill_losses
    assert not distiller.loss_forward_mappings
    assert torch.isfinite(loss_of(path, tmp_path, 32))


def test_first_distillation(tmp_path, monkeypatch):
    """The notebook's code, for one epoch in place of eight."""
    text = (DOCS / 'first_distillation.ipynb').read_text()
    code = '\n'.join(
        ''.join(cell['source'])
        for cell in json.loads(text)['cells']
        if cell['cell_type'] == 'code'
    )
    for old, new in (('EPOCHS = 8', 'EPOCHS = 1'), ('../..', str(ROOT))):
        assert code.count(old) == 1
        code = code.replace(old, new)
    monkeypatch.chdir(tmp_path)
    plt.switch_backend('Agg')
    names = {}
    exec(code, names)
    assert names['scores'].shape == (1, 10)


def test_links_of_pages_that_are_not_in_the_site():
    """`make docs` checks the others."""
    pages = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md']
    for page in [*pages, *ROOT.glob('docs/lab/**/*.md')]:
        for link in re.findall(r'\]\(([^)#\s:]+)[)#]', page.read_text()):
            assert (page.parent / link).exists(), (page, link)
