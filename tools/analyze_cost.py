"""Measures what configs cost in time and memory.

For example, KD, the same with MMRazor's own algorithm, and LAKD::

    python tools/analyze_cost.py \
        configs/kd/kd_resnet20_resnet8_1xb64_digits.py \
        configs/kd/kd_resnet20_resnet8_1xb64_digits.py,\
    model.type=SingleTeacherDistill,label=stock \
        configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py

Each config trains in its own process, one after another. Tables and figures
are written to the folder --out.
"""

import argparse
import shlex
import sys
from functools import partial
from pathlib import Path

import torch

from mmrazor_lakd.benchmark.cost.forecast import make_forecast, parse_size
from mmrazor_lakd.benchmark.cost.jobs import (
    check_jobs,
    find_reference,
    make_settings,
    parse_job,
)
from mmrazor_lakd.benchmark.cost.run import measure_and_report
from mmrazor_lakd.cli import (
    add_cfg_options,
    add_debug_argument,
    check_folder,
    positive,
    run_tool,
)
from mmrazor_lakd.report import Console


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog='Further options of one config follow it behind commas: '
        'CONFIG,model.type=SingleTeacherDistill,label=stock. Without a label, '
        "a config is called by its file's name and these options.",
    )
    parser.add_argument('configs', nargs='+', metavar='CONFIG')
    parser.add_argument(
        '--reference',
        metavar='LABEL_OR_NUMBER',
        default='1',
        help='the config with which the others are compared: its label, or '
        'its place, counted from 1 (default: 1)',
    )
    parser.add_argument('--rounds', type=positive, help='default: 5')
    parser.add_argument(
        '--steps',
        type=positive,
        help='measured iterations in a round (default: 10)',
    )
    parser.add_argument(
        '--warmup',
        type=positive,
        help='iterations before the first round (default: 3)',
    )
    parser.add_argument('--batch-size', type=positive)
    parser.add_argument(
        '--synthetic-data',
        action='store_true',
        help='train on random images in memory: no data set is needed',
    )
    parser.add_argument(
        '--image-size',
        type=positive,
        metavar='PIXELS',
        help='height and width of the random images (default: those of the '
        'configured data set, which then must be there)',
    )
    parser.add_argument(
        '--threads', type=positive, help='of PyTorch on the CPU'
    )
    parser.add_argument(
        '--forecast',
        action='store_true',
        help='measure one config with each setting that saves memory: '
        'num_modules from 1 to --most-modules, the teacher in chunks or not, '
        'blocks and stem recomputed or not',
    )
    parser.add_argument(
        '--budget',
        metavar='SIZE',
        help='the memory there is, such as 8GiB: --forecast names the fastest '
        'setting that fits',
    )
    parser.add_argument(
        '--most-modules',
        type=positive,
        metavar='K',
        help='of --forecast (default: 8)',
    )
    add_cfg_options(parser, 'settings that override those of every config')
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs/analyze_cost')
    )
    add_debug_argument(parser)
    args = parser.parse_args()
    if args.image_size and not args.synthetic_data:
        parser.error('--image-size is for --synthetic-data')
    if not args.forecast and (args.budget or args.most_modules):
        parser.error('--budget and --most-modules are for --forecast')
    if args.forecast:
        if len(args.configs) > 1:
            parser.error('--forecast takes one config')
        if args.rounds or args.steps or args.warmup:
            parser.error(
                '--rounds, --steps and --warmup are not for --forecast, '
                'which runs a few steps of each setting'
            )
    few, usual = (1, 2, 1), (5, 10, 3)
    defaults = few if args.forecast else usual
    args.rounds = args.rounds or defaults[0]
    args.steps = args.steps or defaults[1]
    args.warmup = args.warmup or defaults[2]
    return args


def main(args: argparse.Namespace) -> None:
    """Measure every config, and report."""
    jobs = [parse_job(text) for text in args.configs]
    reference = find_reference(args.reference, jobs)
    check_jobs(args, jobs)
    check_folder('--out', args.out)
    command = shlex.join(['python', 'tools/analyze_cost.py', *sys.argv[1:]])
    if args.forecast:
        if args.threads:
            torch.set_num_threads(args.threads)
        budget = args.budget and parse_size(args.budget)
        if not make_forecast(
            make_settings(args, jobs[0]),
            budget,
            args.most_modules,
            args.out,
            command,
            Console(),
        ):
            sys.exit(1)
        return
    if not measure_and_report(
        {job.label: make_settings(args, job) for job in jobs},
        reference.label,
        args.out,
        args.threads,
        command,
        Path.cwd(),
        Console(),
    ):
        sys.exit(1)


if __name__ == '__main__':
    arguments = parse_args()
    run_tool(partial(main, arguments), arguments.debug)
