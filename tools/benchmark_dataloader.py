"""Measures how many images a second the train loaders of configs give.

For example, the data in memory beside MMPretrain's own pipeline::

    python tools/benchmark_dataloader.py \
        configs/_base_/datasets/cifar10_bs128_per_image.py \
        configs/_base_/datasets/cifar10_bs128.py

The loaders are built as a training run builds them, and run one after
another. Nothing is trained. Batches go round: an epoch's end is part of the
measurement, the workers' first start is not.
"""

import argparse
import os
import statistics
import time
from itertools import chain, islice, repeat
from typing import List, NamedTuple

import torch
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch.utils.data import DataLoader

import mmrazor_lakd  # noqa: F401  registers the data sets
from mmrazor_lakd.engine.command_line import run_tool
from mmrazor_lakd.errors import SettingError


class Measurement(NamedTuple):
    """What was found for one loader."""

    config: str
    batch_size: int
    workers: int
    rates: List[float]  # images a second, one number a pass


def build_loader(path: str, options: dict) -> DataLoader:
    """Build the train loader of a config.

    Args:
        path (str): The config.
        options (dict): Settings that override the config's.

    Raises:
        SettingError: There is no such config, or it has no train loader.
    """
    if not os.path.isfile(path):
        raise SettingError(f"There is no config '{path}'.")
    cfg = Config.fromfile(path)
    cfg.merge_from_dict(options)
    if cfg.get('train_dataloader') is None:
        raise SettingError(f"The config '{path}' has no train_dataloader.")
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    loader = cfg.train_dataloader
    # PyTorch refuses persistent workers where there are none
    loader.persistent_workers = loader.get('num_workers', 0) > 0
    loader.pin_memory = torch.cuda.is_available()
    return Runner.build_dataloader(loader, seed=0)


def measure(loader: DataLoader, batches: int, passes: int) -> List[float]:
    """Measure a loader.

    Args:
        loader (DataLoader): It is started anew when it comes to its end.
        batches (int): How many batches a pass has.
        passes (int): How many passes to measure after one for warming up.

    Returns:
        list[float]: Images a second, one number a pass.
    """
    endless = chain.from_iterable(repeat(loader))
    rates = []
    for i in track(range(passes + 1), description='measuring', transient=True):
        start = time.perf_counter()
        images = sum(
            len(batch['inputs']) for batch in islice(endless, batches)
        )
        if i:
            rates.append(images / (time.perf_counter() - start))
    return rates


def make_table(measurements: List[Measurement]) -> Table:
    """Make a table of all measurements, compared with the first."""
    table = Table(title='Train loaders')
    table.add_column('config', overflow='fold')
    for name in ('batch', 'workers', 'images/s', 'lowest-highest', 'ratio'):
        table.add_column(name, justify='right')
    first = statistics.median(measurements[0].rates)
    for found in measurements:
        rate = statistics.median(found.rates)
        table.add_row(
            os.path.splitext(os.path.basename(found.config))[0],
            str(found.batch_size),
            str(found.workers),
            f'{rate:,.0f}',
            f'{min(found.rates):,.0f}-{max(found.rates):,.0f}',
            f'{rate / first:.1f}',
        )
    return table


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'configs', nargs='+', help='the first is what others are compared with'
    )
    parser.add_argument('--batches', type=int, default=100, help='in a pass')
    parser.add_argument(
        '--passes', type=int, default=5, help='the median is reported'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        help='settings that override every config, as key=value, for example '
        'train_dataloader.num_workers=4',
    )
    args = parser.parse_args()
    if min(args.batches, args.passes) < 1:
        parser.error('--batches and --passes must be at least 1')
    return args


def main() -> None:
    """Measure every config's loader and print one table."""
    args = parse_args()
    measurements = []
    for path in args.configs:
        loader = build_loader(path, args.cfg_options)
        if not len(loader):
            raise SettingError(
                f'{path} has no batch to load: batch_size='
                f'{loader.batch_size}, {len(loader.dataset)} images and '
                f'drop_last; take a smaller batch.'
            )
        rates = measure(loader, args.batches, args.passes)
        measurements.append(
            Measurement(path, loader.batch_size, loader.num_workers, rates)
        )
    console = Console()
    console.print(make_table(measurements))
    console.print(
        f'{os.cpu_count()} CPU cores, {torch.get_num_threads()} threads of '
        f'PyTorch; median of {args.passes} passes of {args.batches} batches'
    )


if __name__ == '__main__':
    run_tool(main)
