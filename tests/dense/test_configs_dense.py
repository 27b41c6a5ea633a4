"""The configs for segmentors and detectors build and train.

They need the full mmcv, mmdet and mmsegmentation; check_dense.sh runs them.
"""

import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

pytest.importorskip('mmcv.ops')
pytest.importorskip('mmdet')
pytest.importorskip('mmseg')
from mmrazor.registry import MODELS  # noqa: E402
from shipped_configs import make_batch, register  # noqa: E402

SIZE = 96
CONFIGS = sorted(
    path.relative_to(ROOT).as_posix()
    for package in ('mmseg', 'mmdet')
    for path in (ROOT / 'configs' / 'lakd' / package).glob('*.py')
)


@pytest.mark.parametrize('path', CONFIGS)
def test_two_iterations(path):
    package = path.split('/')[2]
    cfg = Config.fromfile(ROOT / path)
    register(package)
    DefaultScope.get_instance(path, scope_name=package)
    if 'teacher' in cfg.model:
        cfg.model.teacher_ckpt = None
    # as the Runner does
    cfg.model.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    if package == 'mmseg':  # or the pictures are padded to the crop's size
        model.data_preprocessor.size = (SIZE, SIZE)
    model.train()
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    student = getattr(model, 'architecture', model)
    before = {n: p.clone() for n, p in student.named_parameters()}
    for _ in range(2):
        batch = make_batch(package, SIZE, classes=3)
        losses = model.train_step(batch, wrapper)
    assert all(value.isfinite().all() for value in losses.values())
    if path.split('/')[-1].startswith('lakd'):
        assert 'distill.module1.loss' in losses
    # Levels that no box of the batch is on may leave a head's layer alone.
    assert not [
        name
        for name, param in student.named_parameters()
        if name.startswith('backbone')
        and param.requires_grad
        and torch.equal(param, before[name])
    ]
