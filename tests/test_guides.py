"""The configs that the pages show build, and give losses, as they stand."""

import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch
from conftest import read_config, total
from mmengine.runner import Runner
from mmpretrain.structures import DataSample

ROOT = Path(__file__).parents[1]
DOCS = ROOT / 'docs/en'
OVER = '# in a config over one of configs/lakd/'
LAKD = 'configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py'


def blocks(page):
    """The Python blocks of a page."""
    text = (DOCS / page).read_text()
    return re.findall(r'^```python\n(.*?)^```', text, re.DOTALL | re.MULTILINE)


def loss_of(path, work_dir, size):
    """Build a config's algorithm as training does; its loss of two images."""
    cfg = read_config(path)
    cfg.work_dir = str(work_dir)
    cfg.default_hooks.pop('teacher_accuracy', None)
    model = Runner.from_cfg(cfg).model
    model.teacher_ckpt = None
    model.init_weights()
    images = torch.zeros(2, 3, size, size, dtype=torch.uint8)
    samples = [DataSample().set_gt_label(label) for label in range(2)]
    data = dict(inputs=list(images), data_samples=samples)
    data = model.train().data_preprocessor(data, True)
    return total(model(**data, mode='loss'))


def test_a_project_of_ones_own(tmp_path):
    """mmpretrain's config has a data preprocessor without a type."""
    names = ('lakd_resnet18.py', 'with_logits.py')
    for name, text in zip(names, blocks('user_guides/own_project.md')):
        (tmp_path / name).write_text(text)
        loss = loss_of(tmp_path / name, tmp_path, 64)
        assert torch.isfinite(loss)


SHOWN = [
    (page, text)
    for page in ('memory.md', 'method.md')
    for text in blocks(page)
    if text.startswith(OVER)
]


@pytest.mark.parametrize(
    'text', [text for _, text in SHOWN], ids=[page for page, _ in SHOWN]
)
def test_options_over_a_config_of_ours(tmp_path, text):
    path = tmp_path / 'config.py'
    path.write_text(f'_base_ = {str(ROOT / LAKD)!r}\n{text}')
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
