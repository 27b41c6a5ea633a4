"""Shows what a student learned from its teacher, module by module.

For example, LAKD's student compared with one trained alone::

    python tools/analyze.py \
        configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py \
        work_dirs/lakd_resnet20_resnet8_1xb64_digits/epoch_15.pth \
        --compare work_dirs/resnet8_1xb64_digits/epoch_15.pth,label=alone

Tables, figures and one HTML page are written to the folder --out.
"""

import argparse
import shlex
import sys
import time
from functools import partial
from pathlib import Path

from mmrazor_lakd.analysis.report import write_analysis_report
from mmrazor_lakd.analysis.run import analyze
from mmrazor_lakd.checkpoints.networks import load_networks
from mmrazor_lakd.cli import (
    add_cfg_options,
    add_debug_argument,
    check_folder,
    make_progress,
    natural,
    positive,
    run_tool,
)
from mmrazor_lakd.provenance import describe_commit, describe_machine
from mmrazor_lakd.report import Console


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
    add_cfg_options(parser, 'settings that override those of the config')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/analyze'))
    add_debug_argument(parser)
    args = parser.parse_args()
    return args


def main(args: argparse.Namespace) -> None:
    """Analyse and report."""
    check_folder('--out', args.out)
    begin = time.time()
    console = Console()
    cfg, networks, _ = load_networks(
        args.config,
        args.checkpoint,
        args.label,
        args.teacher,
        args.compare,
        args.cfg_options,
    )
    found = analyze(
        cfg,
        networks,
        args.modules,
        args.num_images,
        args.probe_images,
        args.grid,
        make_progress(console),
    )
    report = dict(
        command=shlex.join(['python', 'tools/analyze.py', *sys.argv[1:]]),
        **describe_commit(),
        machine=describe_machine(),
        networks=[
            dict(label=n.label, config=n.config, checkpoint=n.checkpoint)
            for n in networks
        ],
        seconds=time.time() - begin,
        **found,
    )
    args.out.mkdir(parents=True, exist_ok=True)
    write_analysis_report(args.out, report, console)


if __name__ == '__main__':
    arguments = parse_args()
    run_tool(partial(main, arguments), arguments.debug)
