"""Shows what a student learned from its teacher, module by module.

For example, LAKD's student beside one that was trained alone::

    python tools/analyze.py \
        configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py \
        work_dirs/lakd_resnet20_resnet8_1xb64_digits/epoch_15.pth \
        --compare work_dirs/resnet8_1xb64_digits/epoch_15.pth,label=alone

Tables, pictures and one HTML page go to the folder --out.
"""

import argparse
import shlex
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List

from mmengine.config import DictAction
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

ROOT = Path(__file__).resolve().parents[1]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog='A network is written [CONFIG.py,]CHECKPOINT[,label=NAME]. '
        "Without a config it has the analysed student's architecture (or the "
        "teacher's); without a label it is called by its config's method, or "
        "by the checkpoint's folder.",
    )
    parser.add_argument('config', help='path of the config')
    parser.add_argument('checkpoint', help="path of the student's checkpoint")
    parser.add_argument(
        '--label',
        help="what the student is called; by default its config's method",
    )
    parser.add_argument(
        '--compare',
        action='extend',
        nargs='+',
        default=[],
        metavar='NETWORK',
        help='other students, such as one that was trained alone; repeatable',
    )
    parser.add_argument(
        '--teacher',
        metavar='NETWORK',
        help='another teacher, or another checkpoint; by default the '
        "config's teacher, with the weights in the student's checkpoint or of "
        'teacher_ckpt',
    )
    parser.add_argument(
        '--modules',
        nargs='+',
        metavar='STUDENT[:TEACHER]',
        help='modules to look at; by default the local modules of LAKD, or '
        'the stages',
    )
    parser.add_argument(
        '--num-images',
        type=positive,
        metavar='N',
        help='so many test images, evenly spaced (default: all)',
    )
    parser.add_argument(
        '--probe-images',
        type=natural,
        default=10_000,
        metavar='N',
        help='training images for the linear probes, evenly spaced; 0 for no '
        'probes (default: 10000)',
    )
    parser.add_argument(
        '--grid',
        type=positive,
        default=4,
        metavar='N',
        help='CKA compares N x N cells of each image (default: 4)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that override those of the config',
    )
    parser.add_argument('--out', type=Path, default=Path('work_dirs/analyze'))
    parser.add_argument(
        '--debug',
        action='store_true',
        help='show the traceback of an error, too',
    )
    try:
        args = parser.parse_args()
    except (AssertionError, ValueError):  # which DictAction raises
        parser.error('--cfg-options takes KEY=VALUE, and brackets in pairs')
    return args


def natural(text: str) -> int:
    """Parse a number of at least 0."""
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def positive(text: str) -> int:
    """Parse a number of at least 1."""
    number = natural(text)
    if number < 1:
        raise ValueError
    return number


def make_analysis(args, cfg, networks, loader, watch: Callable):
    """Find the places to look at, on a first batch."""
    from mmengine.device import get_device

    from mmrazor_lakd.analysis.analysis import Analysis
    from mmrazor_lakd.analysis.places import find_places

    images = networks[1].preprocessor(next(iter(loader)), False)['inputs']
    places = find_places(
        cfg.model.get('distiller') or {},
        {network.label: network.model for network in networks},
        tuple(images.shape[-2:]),
        args.modules,
    )
    # Other devices have no float64.
    device = 'cuda' if get_device() == 'cuda' else 'cpu'
    return Analysis(networks, places, args.grid, device, watch)


def analyze(
    args: argparse.Namespace, cfg, networks: List, console: Console
) -> Dict[str, Any]:
    """Look at all images, showing the time left."""
    from mmrazor_lakd.analysis.data import (
        make_probe_loader,
        make_test_loader,
    )

    test = make_test_loader(cfg, args.num_images)
    probe, readouts = None, None
    if args.probe_images:
        probe = make_probe_loader(cfg, args.probe_images)
    columns = (
        TextColumn('{task.description:13}'),
        BarColumn(),
        TextColumn('{task.percentage:3.0f} %'),
        TimeElapsedColumn(),
        TextColumn('left'),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        passes = [('linear probes', probe), ('comparison', test)]
        tasks = [
            progress.add_task(
                name,
                total=len(networks) * len(loader.dataset),
                start=False,
            )
            for name, loader in passes
            if loader is not None
        ]

        def watch(images: int) -> None:
            progress.advance(tasks[0], images)

        analysis = make_analysis(args, cfg, networks, test, watch)
        progress.start_task(tasks[0])
        if probe is not None:
            readouts = analysis.fit_probes(probe)
            tasks.pop(0)
            progress.start_task(tasks[0])
        found = analysis.measure(test, readouts)
    probed = 0 if probe is None else len(probe.dataset)
    return dict(found, grid=args.grid, probe_images=probed)


def main(args: argparse.Namespace) -> None:
    """Analyse and report."""
    from mmengine.registry import init_default_scope

    from mmrazor_lakd.analysis.report import write_report
    from mmrazor_lakd.checkpoints.networks import load_networks
    from mmrazor_lakd.cli import check_folder
    from mmrazor_lakd.config_check.first_iteration import explained
    from mmrazor_lakd.provenance import describe_commit, describe_machine

    check_folder('--out', args.out)
    begin = time.time()
    console = Console()
    cfg, networks, _ = load_networks(args)
    # The data are built in it, as in a training.
    init_default_scope(cfg.get('default_scope') or 'mmpretrain')
    with explained(cfg):
        found = analyze(args, cfg, networks, console)
    report = dict(
        command=shlex.join(['python', 'tools/analyze.py', *sys.argv[1:]]),
        **describe_commit(ROOT),
        machine=describe_machine(),
        networks=[
            dict(label=n.label, config=n.config, checkpoint=n.checkpoint)
            for n in networks
        ],
        seconds=time.time() - begin,
        **found,
    )
    args.out.mkdir(parents=True, exist_ok=True)
    write_report(args.out, report, console)


if __name__ == '__main__':
    arguments = parse_args()
    # Seconds of imports that a wrong option need not wait for.
    from mmrazor_lakd.cli import run_tool

    run_tool(partial(main, arguments), arguments.debug)
