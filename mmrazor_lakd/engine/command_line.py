"""What the command line tools share."""

import argparse
import gc
import os
import os.path as osp
import sys
import time
from pathlib import Path
from typing import Callable

import torch
from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.logging import MMLogger

from ..errors import SettingError, nearest

DATALOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that every tool takes, named as in mmpretrain."""
    parser.add_argument('config', help='path of the config')
    parser.add_argument('--work-dir', help='where logs and results go')
    parser.add_argument(
        '--amp',
        action='store_true',
        help='automatic mixed precision (bfloat16 on a CPU)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='settings that override the config, as key=value; a nested key '
        'is written a.b.c, a list "[1,2]" without spaces',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='how the processes were started',
    )
    # torchrun sets LOCAL_RANK; older launchers pass it as an argument.
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, default=0, dest='local_rank'
    )


def check_folder(option: str, path: Path) -> None:
    """Refuse a file where a folder is to be written.

    Raises:
        SettingError: If it is one.
    """
    if path.exists() and not path.is_dir():
        raise SettingError(f"{option}='{path}' is a file; name a folder.")


def load_config(args: argparse.Namespace) -> Config:
    """Read the config and merge into it what all tools have in common.

    Raises:
        SettingError: If there is no such file.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if not osp.isfile(args.config):
        raise SettingError(
            f"There is no config '{args.config}'; the nearest ones are: "
            f'{nearest(args.config, _configs_near(args.config))}.'
        )
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        name = osp.splitext(osp.basename(args.config))[0]
        cfg.work_dir = osp.join('work_dirs', name)
    for name in DATALOADERS:
        if cfg.get(name) is not None:
            _set_dataloader_defaults(cfg[name])
    if args.launcher != 'none' and get_device() == 'cpu':
        _start_cpu_processes(cfg)
    return cfg


def _configs_near(path: str):
    """List the configs below the folder that a wrong path begins with."""
    folder = osp.dirname(path)
    while folder and not osp.isdir(folder):
        folder = osp.dirname(folder)
    found = [
        osp.join(root, file)
        for root, _, files in os.walk(folder or 'configs')
        for file in files
        if file.endswith('.py')
    ]
    return found or ['(none found)']


def _set_dataloader_defaults(loader) -> None:
    """Fill in what a config need not say."""
    loader.setdefault('collate_fn', dict(type='default_collate'))
    # Pinning without an accelerator warns at every start, and does nothing.
    loader.setdefault('pin_memory', get_device() == 'cuda')
    # PyTorch refuses persistent workers where there are no workers.
    workers = loader.get('num_workers', 0) > 0
    loader['persistent_workers'] = workers and loader.get(
        'persistent_workers', True
    )


def _start_cpu_processes(cfg: Config) -> None:
    """Let several processes train on CPUs, which MMEngine doesn't provide for.

    It selects a CUDA device before it starts the process group, and gives
    DistributedDataParallel the number of a GPU.
    """
    torch.distributed.init_process_group('gloo')
    cfg.model_wrapper_cfg = {
        **dict(
            type='MMDistributedDataParallel',
            broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False),
        ),
        **cfg.get('model_wrapper_cfg', {}),
        'device_ids': None,
    }


def hide_upstream_notices() -> None:
    """Keep quiet what MMEngine says of itself at every start.

    Its own hook uses the FileClient that it announces the end of; no user
    can mend that.
    """
    logger = MMLogger.get_current_instance()
    logger.addFilter(
        lambda record: (
            not str(record.msg).startswith(
                ('"FileClient" will be', '"HardDiskBackend" is the alias')
            )
        )
    )


def set_mixed_precision(cfg: Config) -> None:
    """Turn mixed precision on, whether or not the wrapper has a type.

    On a GPU this is MMEngine's float16 with loss scaling. MMEngine's wrapper
    refuses a CPU, so there it is bfloat16.

    Raises:
        SettingError: If the wrapper is of a kind that can't be replaced.
    """
    kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if kind in ('AmpOptimWrapper', 'Bfloat16OptimWrapper'):
        return
    if kind != 'OptimWrapper':
        raise SettingError(
            f'--amp replaces an OptimWrapper, but optim_wrapper.type is '
            f"'{kind}'; set mixed precision in the config instead."
        )
    if get_device() == 'cpu':
        cfg.optim_wrapper.type = 'Bfloat16OptimWrapper'
    else:
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def run_tool(main: Callable[[], None]) -> None:
    """Run a tool; tell the user's own mistakes in one sentence."""
    try:
        main()
    except SettingError as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(2)
    finally:
        leave_process_group()


def leave_process_group() -> None:
    """End a process of several in order; do nothing in a single one.

    Gloo's threads hold the tensors of their last collective for a moment
    longer than it takes, and need Python's lock to let go of them. A process
    that takes the group down before that may hang, and one whose interpreter
    ends before that may abort.
    """
    if not torch.distributed.is_initialized():
        return
    gc.collect()  # the Runner's cycles keep the wrapped model, and its group
    time.sleep(0.2)  # without Python's lock: the threads have it
    torch.distributed.destroy_process_group()
