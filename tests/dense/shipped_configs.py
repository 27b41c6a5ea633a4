"""Two iterations of each distillation config that MMRazor ships.

With mmrazor_lakd imported, on random images, from random weights: what loads
and trains, or why not, as a Markdown table. In the environment that
check_dense.sh makes (without mmdet and mmsegmentation theirs are left out)::

    PYTHONPATH=. work_dirs/dense/env/bin/python tests/dense/shipped_configs.py

MMRazor 1.0.0 is older than mmpretrain: its configs name the package mmcls.
They are read with mmpretrain in its place. Configs of mmdet3d are left out.
"""

import importlib
import re
import sys
import tempfile
import warnings
from pathlib import Path

import mmrazor
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData, PixelData

import mmrazor_lakd  # noqa: F401

ROOT = Path(mmrazor.__file__).parent / '.mim' / 'configs' / 'distill'
STEPS = 2
CLASSES = 8  # MMRazor's configs have more
EARLIER, PACKAGE = 'mmcls', 'mmpretrain'


def copy_configs(folder: Path) -> None:
    """Copy all configs with mmcls replaced by mmpretrain."""
    for path in ROOT.rglob('*.py'):
        text = path.read_text()
        for before, after in (
            (f'{EARLIER}::', f'{PACKAGE}::'),
            (f"'{EARLIER}.", f"'{PACKAGE}."),
            (f"'{EARLIER}'", f"'{PACKAGE}'"),
            ('ClsDataSample', 'DataSample'),
        ):
            text = text.replace(before, after)
        copied = folder / path.relative_to(ROOT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_text(text)


def prepare(cfg: Config) -> None:
    """Leave out what would be downloaded."""
    model = cfg.model
    for name in list(model):
        if name.endswith('_ckpt'):
            model[name] = None
    networks = [model.get(n) for n in ('architecture', 'teacher')]
    for network in networks:
        if isinstance(network, dict) and 'cfg_path' in network:
            network.pretrained = False
    preprocessor = cfg.get('data_preprocessor')
    if preprocessor is not None:
        model.setdefault('data_preprocessor', preprocessor)
    cfg.setdefault('optim_wrapper', dict(optimizer=dict(type='SGD', lr=1e-3)))


def make_batch(
    package: str, size: int, count: int = 2, classes: int = CLASSES
) -> dict:
    """Make random images (C, H, W) and samples of a package."""
    generator = torch.Generator().manual_seed(0)
    images = [
        torch.randint(256, (3, size, size), generator=generator).byte()
        for _ in range(count)
    ]
    shape = dict(
        img_shape=(size, size),
        ori_shape=(size, size),
        pad_shape=(size, size),
        batch_input_shape=(size, size),
        scale_factor=(1.0, 1.0),
    )
    samples = []
    for index in range(count):
        if package == 'mmdet':
            from mmdet.structures import DetDataSample

            sample = DetDataSample(metainfo=shape)
            sample.gt_instances = InstanceData(
                bboxes=torch.tensor([[8.0, 8.0, 72.0, 72.0]]),
                labels=torch.tensor([index]),
            )
        elif package == 'mmseg':
            from mmseg.structures import SegDataSample

            sample = SegDataSample(metainfo=shape)
            labels = torch.randint(
                classes, (1, size, size), generator=generator
            )
            sample.gt_sem_seg = PixelData(data=labels)
        else:
            from mmpretrain.structures import DataSample

            sample = DataSample(metainfo=shape).set_gt_label(index)
            sample.sample_idx = torch.tensor(index)  # for CRD
            sample.contrast_sample_idxs = torch.arange(16385)
        samples.append(sample)
    return dict(inputs=images, data_samples=samples)


def register(package: str) -> None:
    """Register a package's modules without a change of scope."""
    utils = importlib.import_module(f'{package}.utils')
    utils.register_all_modules(False)


def two_iterations(cfg: Config, package: str) -> str:
    """Build a config's model and train it."""
    from mmrazor.registry import MODELS

    name = f'shipped {len(DefaultScope._instance_dict)}'
    scope = cfg.get('default_scope') or package
    DefaultScope.get_instance(name, scope_name=scope)
    register(package)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.train()
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    size = 128 if package != PACKAGE else 32
    for _ in range(STEPS):
        losses = model.train_step(make_batch(package, size), wrapper)
    total = sum(float(value) for key, value in losses.items() if 'loss' in key)
    return f'works ({len(losses)} values in the log, losses {total:.3g})'


def reason(error: BaseException) -> str:
    """Return an error's innermost cause as one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = ' '.join(str(error).split())
    # The machine's folders say nothing.
    text = re.sub(r'/\S*/(\.mim/configs|site-packages|_base_)/', r'\1/', text)
    found = f'{type(error).__name__}: {text[:160]}'.replace('|', '/')
    return found.replace('_', r'\_').replace('<', '&lt;')


def main() -> None:
    """Print the table; stop with status 1 if nothing works."""
    warnings.simplefilter('ignore')
    MMLogger.get_current_instance().setLevel('ERROR')
    packages = dict(mmcls=PACKAGE, mmdet='mmdet', mmseg='mmseg')
    wanted = sys.argv[1:] or list(packages)
    print('| config | two iterations |\n|---|---|', flush=True)
    works = 0
    with tempfile.TemporaryDirectory() as folder:
        copy_configs(Path(folder))
        for path in sorted(ROOT.rglob('*.py')):
            path = path.relative_to(ROOT)
            if path.parts[0] not in wanted or 'datasets' in path.parts:
                continue
            try:
                cfg = Config.fromfile(Path(folder) / path)
                prepare(cfg)
                result = two_iterations(cfg, packages[path.parts[0]])
                works += 1
            except Exception as error:
                result = reason(error)
            print(f'| `{path}` | {result} |', flush=True)
    sys.exit(not works)


if __name__ == '__main__':
    main()
