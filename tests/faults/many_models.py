"""Builds a thousand models, trains each for a step, drops it; prints what the
process holds after every tenth, and how many tensors live."""

import gc
import json
import os
import sys

import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from mmengine.runner import Runner
from processes_watched import held

import mmrazor_lakd  # noqa: F401  (registers all)
from mmrazor_lakd.cli import load_config

torch.set_num_threads(1)
PAIR = 'resnet20_resnet8_1xb128_cifar10'
DIGITS = 'configs/kd/kd_resnet20_resnet8_1xb64_digits.py'
COUNT = 1000


def main(work_dir: str) -> None:
    configs = [
        load_config(
            f'configs/{method}/{method}_{PAIR}.py',
            {'model.teacher_ckpt': None, 'log_level': 'ERROR', **options},
            work_dir,
        )
        for method, options in (
            ('kd', {}),
            ('lakd', {}),
            ('lakd', {'model.recompute': ['blocks', 'stem']}),
            ('ofd', {}),
            ('reviewkd', {}),
        )
    ]
    digits = load_config(DIGITS, {}, work_dir)
    loader = Runner.build_dataloader(digits.train_dataloader)
    batch = next(iter(loader))
    batch = {key: value[:8] for key, value in batch.items()}
    for number in range(COUNT):
        config = configs[number % len(configs)]
        model = MODELS.build(config.model)
        model.init_weights()
        model.train()
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
        model.train_step(batch, wrapper)
        del model, wrapper
        if number % 10 == 9:
            gc.collect()
            tensors = sum(
                isinstance(found, torch.Tensor) for found in gc.get_objects()
            )
            print(json.dumps([*held(os.getpid()), tensors]), flush=True)


if __name__ == '__main__':
    main(sys.argv[1])
