"""A training of an iteration or two, on the same four images."""

import time

import torch
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from torch.utils.data import DataLoader


def run_shortly(model, work_dir, iterations=1, shift=0, **settings):
    """Train a model with a Runner that saves each iteration.

    Args:
        model (BaseModel): What is trained.
        work_dir (Path): Its folder.
        iterations (int): At most two.
        shift (int): Seed of the images, and what is added to them.
        settings (Any): Arguments of the Runner.

    Returns:
        Runner: After the training.
    """
    images = torch.randn(
        4, 3, 32, 32, generator=torch.Generator().manual_seed(shift)
    )
    samples = [DataSample().set_gt_label(label) for label in range(4)]
    data = dict(inputs=list(images + shift), data_samples=samples)
    options = dict(
        work_dir=str(work_dir),
        train_dataloader=DataLoader([data], collate_fn=lambda items: items[0]),
        train_cfg=dict(by_epoch=False, max_iters=iterations),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        default_hooks=dict(
            checkpoint=dict(
                type='SafeCheckpointHook', by_epoch=False, interval=1
            ),
            loading=dict(type='SafeLoadingHook'),
        ),
        experiment_name=f'short_{time.monotonic_ns()}',
        default_scope='mmpretrain',
        log_level='ERROR',
    )
    runner = Runner(model, **{**options, **settings})
    runner.train()
    return runner
