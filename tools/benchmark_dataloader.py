"""Measures how many images a second the train loaders of configs give.

For example, data in memory compared with MMPretrain's own pipeline::

    python tools/benchmark_dataloader.py \
        configs/_base_/datasets/cifar10_bs128_per_image.py \
        configs/_base_/datasets/cifar10_bs128.py

The loaders are built as in training, and run one after another. Nothing is
trained. Loaders restart after an epoch: this is part of the measurement, the
workers' first start is not.
"""

import argparse
import os
import statistics
import time
from functools import partial
from itertools import chain, islice, repeat
from typing import List, NamedTuple

import torch
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from rich.markup import escape
from rich.progress import track
from rich.table import Table
from torch.utils.data import DataLoader

import mmrazor_lakd  # noqa: F401  registers the data sets
from mmrazor_lakd.cli import (
    ConfigOptions,
    add_debug_argument,
    run_tool,
)
from mmrazor_lakd.config_check import (
    check_config,
    configs_near,
    read_config_file,
)
from mmrazor_lakd.config_check.first_iteration import check_batches, explained
from mmrazor_lakd.errors import SettingError, nearest
from mmrazor_lakd.report import Console


class Measurement(NamedTuple):
    """The measurement of one loader."""

    config: str
    batch_size: int
    workers: int
    rates: List[float]  # images per second, one number per pass


def build_loader(path: str, options: dict) -> DataLoader:
    """Build the train loader of a config.

    Args:
        path (str): Path of the config.
        options (dict): Settings that override the config's.

    Raises:
        SettingError: If there is no such config, or it has no train loader.
    """
    if not os.path.isfile(path):
        raise SettingError(
            f"There is no config '{path}'; the nearest ones are: "
            f'{nearest(path, configs_near(path))}.'
        )
    cfg = read_config_file(path, options)
    if cfg.get('train_dataloader') is None:
        raise SettingError(f"The config '{path}' has no train_dataloader.")
    check_config(cfg, used=['train_dataloader'], scope='mmpretrain')
    init_default_scope(cfg.get('default_scope') or 'mmpretrain')
    loader = cfg.train_dataloader
    # PyTorch raises if persistent workers are set without workers
    loader.persistent_workers = loader.get('num_workers', 0) > 0
    loader.pin_memory = torch.cuda.is_available()
    with explained(cfg):
        built = Runner.build_dataloader(loader, seed=0)
        check_batches(f'{path}: train_dataloader', built)
    return built


def measure(loader: DataLoader, batches: int, passes: int) -> List[float]:
    """Measure a loader.

    Args:
        loader (DataLoader): The loader, restarted at its end.
        batches (int): Number of batches in a pass.
        passes (int): Number of passes to measure, after one for warm-up.

    Returns:
        list[float]: Images per second, one number per pass.
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
    """Create a table of all measurements, compared with the first."""
    table = Table(title='Train loaders')
    table.add_column('config', overflow='fold')
    for name in ('batch', 'workers', 'images/s', 'lowest-highest', 'ratio'):
        table.add_column(name, justify='right')
    first = statistics.median(measurements[0].rates)
    for found in measurements:
        rate = statistics.median(found.rates)
        table.add_row(
            escape(os.path.splitext(os.path.basename(found.config))[0]),
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
        action=ConfigOptions,
        default={},
        help='settings that override every config, as key=value, for example '
        'train_dataloader.num_workers=4',
    )
    add_debug_argument(parser)
    args = parser.parse_args()
    if min(args.batches, args.passes) < 1:
        parser.error('--batches and --passes must be at least 1')
    return args


def main(args: argparse.Namespace) -> None:
    """Measure every config's loader and print one table."""
    measurements = []
    for path in args.configs:
        loader = build_loader(path, args.cfg_options)
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
    arguments = parse_args()
    run_tool(partial(main, arguments), arguments.debug)
