"""A resumed training equals an unbroken one, by a real Runner on digits."""

import pytest
import torch
from conftest import ROOT, read_config
from mmengine.runner import Runner

from mmrazor_lakd.engine.numbered_batches import mix_seed

CRD = 'model.distiller.distill_losses.loss_crd'


@pytest.fixture
def train(tmp_path):
    """Train with CRD, whose bank draws random numbers too."""

    def _train(folder, **options):
        cfg = read_config(
            ROOT / 'configs/crd/crd_resnet20_resnet8_1xb64_digits.py'
        )
        cfg.work_dir = str(tmp_path / folder)
        cfg.experiment_name = f'{tmp_path.name}_{folder}_{len(options)}'
        cfg.model.teacher_ckpt = None
        cfg.merge_from_dict(
            {
                'train_cfg.max_epochs': 2,
                'train_dataloader.dataset.indices': 128,
                'val_dataloader.dataset.indices': 64,
                f'{CRD}.num_samples': 128,
                f'{CRD}.num_negatives': 32,
                **options,
            }
        )
        Runner.from_cfg(cfg).train()
        path = tmp_path / folder / 'epoch_2.pth'
        return torch.load(path, weights_only=False)['state_dict']

    return _train


def test_resumed_equals_unbroken(train, tmp_path):
    unbroken = train('unbroken')
    start = dict(
        resume=True, load_from=str(tmp_path / 'unbroken' / 'epoch_1.pth')
    )
    resumed = train('resumed', **start)
    assert unbroken.keys() == resumed.keys()
    different = [k for k in unbroken if not unbroken[k].equal(resumed[k])]
    assert different == []
    # it is the hook that makes them so
    without = train('without', **start, custom_hooks=[
        dict(type='SampleLabelsHook'), dict(type='ChannelsLastHook'),
    ])  # fmt: skip
    assert any(not unbroken[k].equal(without[k]) for k in unbroken)


def test_seeds_do_not_repeat():
    seeds = {
        mix_seed(seed, 22 * epoch) for seed in range(30) for epoch in range(30)
    }
    assert len(seeds) == 900
    assert all(0 <= seed < 2**32 for seed in seeds)
