"""Trains a suite of methods side by side, and reports.

For example, all methods on digits, and only the first seed of a suite::

    python tools/benchmark.py smoke
    python tools/benchmark.py cifar10_small --seeds 0 --jobs 2
    python tools/benchmark.py cifar10 --cluster slurm

Finished trainings are kept: the same command resumes where it was stopped.
"""

import argparse
import shlex
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

from mmrazor_lakd.benchmark.suite.cluster import CLUSTERS, ClusterLauncher
from mmrazor_lakd.benchmark.suite.comparability import check_one_table
from mmrazor_lakd.benchmark.suite.compare import compare
from mmrazor_lakd.benchmark.suite.launch import LocalLauncher
from mmrazor_lakd.benchmark.suite.live_view import SuiteView
from mmrazor_lakd.benchmark.suite.report import write_suite_report
from mmrazor_lakd.benchmark.suite.results import count_others
from mmrazor_lakd.benchmark.suite.runner import SuiteRunner
from mmrazor_lakd.benchmark.suite.suite import (
    find_suite,
    load_suite,
    narrow,
    select,
)
from mmrazor_lakd.cli import (
    ConfigOptions,
    add_cfg_options,
    add_debug_argument,
    check_folder,
    run_tool,
)
from mmrazor_lakd.report import Console

ROOT = Path(__file__).resolve().parents[1]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'suite',
        nargs='?',
        help='name of a suite in configs/benchmark, or the path of one, such '
        'as docs/lab/suites/cifar10_ablation.py',
    )
    parser.add_argument(
        '--jobs',
        type=int,
        help='trainings at once (default: 1, and with --cluster slurm all)',
    )
    parser.add_argument(
        '--cluster',
        choices=CLUSTERS,
        help='hand the trainings to SLURM as array jobs, or to jobs on this '
        'machine, in either case through submitit',
    )
    parser.add_argument(
        '--cluster-options',
        nargs='+',
        action=ConfigOptions,
        default={},
        metavar='KEY=VALUE',
        help="parameters of submitit's executor, such as timeout_min=600 "
        'gpus_per_node=1 cpus_per_task=4 slurm_partition=NAME',
    )
    parser.add_argument(
        '--methods',
        nargs='+',
        help='train these methods only, by their titles',
    )
    parser.add_argument(
        '--seeds', nargs='+', type=int, help='train these seeds only'
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        help='where the trainings go (default: work_dirs/benchmark/SUITE)',
    )
    parser.add_argument(
        '--report',
        type=Path,
        help='where results, trained teachers and the report are kept '
        '(default: report/ in --work-dir)',
    )
    parser.add_argument(
        '--report-only',
        action='store_true',
        help='train nothing, report what is there; with --methods, of these '
        'methods alone',
    )
    parser.add_argument(
        '--cost',
        action='store_true',
        help='measure time and memory of a step of each method anew, alone on '
        'the machine, when the trainings are done',
    )
    parser.add_argument(
        '--compare',
        nargs=2,
        type=Path,
        metavar=('A', 'B'),
        help='put two reports side by side, and do nothing else',
    )
    add_cfg_options(
        parser, "settings that override the suite's, such as epochs=5"
    )
    add_debug_argument(parser)
    args = parser.parse_args()
    if (args.suite is None) == (args.compare is None):
        parser.error('give either a suite or --compare A B')
    if args.jobs is not None and args.jobs < 1:
        parser.error('--jobs must be at least 1')
    if args.cluster_options and not args.cluster:
        parser.error('--cluster-options are for --cluster')
    if args.report_only and args.seeds:
        parser.error('--seeds chooses what is trained: not with --report-only')
    if args.report_only and (args.jobs or args.cluster):
        parser.error('--jobs and --cluster train: not with --report-only')
    others = {'suite', 'compare', 'debug'}
    if args.compare and any(
        value for name, value in vars(args).items() if name not in others
    ):
        parser.error('--compare A B takes no other options')
    return args


def stop(number: int, frame: Any) -> None:
    """Handle SIGTERM like Ctrl-C."""
    raise KeyboardInterrupt


def main(args: argparse.Namespace) -> None:
    """Run the missing trainings, measure, and report."""
    signal.signal(signal.SIGTERM, stop)
    console = Console()
    if args.compare:
        console.print(compare(*args.compare))
        return
    path = find_suite(args.suite, ROOT / 'configs' / 'benchmark')
    suite = load_suite(path, ROOT, args.cfg_options)
    work_dir = args.work_dir or ROOT / 'work_dirs' / 'benchmark' / suite.name
    report = args.report or work_dir / 'report'
    check_folder('--work-dir', work_dir)
    check_folder('--report', report)
    students = list(select(suite, args.methods, args.seeds))
    failures = []
    whole = suite
    if args.report_only and args.methods:
        suite = narrow(suite, args.methods)
    check_one_table(suite, report)
    if not args.report_only:
        launcher, jobs = LocalLauncher(), args.jobs or 1
        if args.cluster:
            launcher = ClusterLauncher(
                args.cluster,
                work_dir.resolve() / 'cluster',
                suite.name,
                args.cluster_options,
            )
            if args.cluster == 'slurm':
                jobs = args.jobs or len(suite.students)
        runner = SuiteRunner(
            suite, ROOT, work_dir.resolve(), report.resolve(), jobs, launcher
        )
        missing = runner.find_missing(students)
        kept = len(students) - sum(student in missing for student in students)
        console.print(
            f'{suite.settings["title"]}: {len(students)} trainings, of which '
            f'{kept} are done.',
            markup=False,
        )
        try:
            with SuiteView(missing, jobs, console) as view:
                failures = runner.run(missing, view)
        except KeyboardInterrupt:
            sys.exit('Stopped; the same command goes on from here.')
    if write_suite_report(
        report,
        suite,
        failures,
        count_others(report, whole),
        command(),
        args.cost,
        ROOT,
        console,
    ):
        sys.exit(1)


def command() -> str:
    """Return the user's command."""
    return shlex.join(['python', 'tools/benchmark.py', *sys.argv[1:]])


if __name__ == '__main__':
    arguments = parse_args()
    run_tool(partial(main, arguments), arguments.debug)
