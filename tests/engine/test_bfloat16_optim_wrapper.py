"""bfloat16 where it is fast, and float32 where it would be emulated."""

import pytest
import torch
from mmengine.logging import MMLogger

from mmrazor_lakd.engine import Bfloat16OptimWrapper
from mmrazor_lakd.engine.optimizers import bfloat16_optim_wrapper


@pytest.mark.parametrize('fast', [True, False])
def test_precision(fast, monkeypatch, caplog):
    monkeypatch.setattr(
        bfloat16_optim_wrapper, 'has_fast_bfloat16', lambda: fast
    )
    model = torch.nn.Linear(3, 2)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    wrapper = Bfloat16OptimWrapper(torch.optim.SGD(model.parameters(), lr=1))
    logger.removeHandler(caplog.handler)
    assert ('computes in float32' in caplog.text) != fast
    with wrapper.optim_context(model):
        loss = model(torch.ones(4, 3))
    assert loss.dtype == (torch.bfloat16 if fast else torch.float32)
    wrapper.update_params(loss.float().sum())
    assert model.weight.dtype == torch.float32


@pytest.mark.parametrize(
    'device, capability, is_fast',
    [
        ('cuda', (7, 5), False),  # a T4, which emulates it
        ('cuda', (8, 0), True),
        ('mps', None, False),  # MMEngine has no autocast there
        ('npu', None, True),
    ],
)
def test_devices(device, capability, is_fast, monkeypatch):
    monkeypatch.setattr(bfloat16_optim_wrapper, 'get_device', lambda: device)
    monkeypatch.setattr(torch.version, 'hip', None)
    monkeypatch.setattr(
        torch.cuda, 'get_device_capability', lambda: capability
    )
    assert bfloat16_optim_wrapper.has_fast_bfloat16() == is_fast
