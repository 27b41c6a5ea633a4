"""Measures what configs cost in time and memory.

For example, KD, the same with MMRazor's own algorithm, and LAKD::

    python tools/analyze_cost.py \
        configs/kd/kd_resnet20_resnet8_1xb64_digits.py \
        configs/kd/kd_resnet20_resnet8_1xb64_digits.py,\
    model.type=SingleTeacherDistill,label=stock \
        configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py

Each config trains in a process of its own, one after another. Tables and
pictures go to the folder --out.
"""

import argparse
import json
import re
import shlex
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

ROOT = Path(__file__).resolve().parents[1]
POLL_SECONDS = 0.2


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
    parser.add_argument(
        '--rounds', type=positive, default=5, help='default: 5'
    )
    parser.add_argument(
        '--steps',
        type=positive,
        default=10,
        help='measured iterations in a round (default: 10)',
    )
    parser.add_argument(
        '--warmup',
        type=positive,
        default=3,
        help='iterations before the first round (default: 3)',
    )
    parser.add_argument('--batch-size', type=positive)
    parser.add_argument(
        '--made-data',
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
        '--cfg-options',
        nargs='+',
        metavar='KEY=VALUE',
        help='settings that override those of every config',
    )
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs/analyze_cost')
    )
    parser.add_argument(
        '--debug',
        action='store_true',
        help='show the traceback of an error, too',
    )
    args = parser.parse_args()
    if args.image_size and not args.made_data:
        parser.error('--image-size is for --made-data')
    return args


def positive(text: str) -> int:
    """Parse a number of at least 1."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def measure(
    settings: Dict[str, Any],
    files: Path,
    threads: Optional[int],
    watch: Callable[[int], None],
) -> Dict[str, Any]:
    """Measure one config in a process of its own.

    Args:
        settings (dict): As ``make_settings`` gives them.
        files (Path): Name of the files to write, without the extension.
        threads (int, optional): Of PyTorch on the CPU.
        watch (Callable): Is told from time to time how many rounds are done.

    Returns:
        dict: What was measured, or ``reason``: why it could not be.
    """
    given, result, log = (
        files.parent / f'{files.name}{end}'
        for end in ('.settings.json', '.json', '.log')
    )
    files.parent.mkdir(parents=True, exist_ok=True)
    given.write_text(json.dumps(settings, indent=1))
    result.unlink(missing_ok=True)  # of an earlier call
    # Importing it at the top would load the whole package there.
    from mmrazor_lakd.benchmark.processes import explain_failure, start_python

    process = start_python(
        ['-m', 'mmrazor_lakd.benchmark.cost.measure', str(given), str(result)],
        folder=Path.cwd(),
        log=log,
        append=False,
        threads=threads,
        slot=0,
    )
    try:
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
            text = log.read_text(errors='replace')
            watch(len(re.findall(r'^round \d', text, re.M)))
    except BaseException:
        process.kill()
        raise
    if process.returncode == 0:
        return json.loads(result.read_text())
    reason = explain_failure(process.returncode, log)
    return dict(reason=reason, log=str(log))


def measure_all(
    args: argparse.Namespace,
    labels: Sequence[str],
    settings: Sequence[Dict[str, Any]],
    console: Console,
) -> List[Dict[str, Any]]:
    """Measure one config after the other, showing the time left."""
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        TextColumn('{task.percentage:3.0f} %'),
        TimeElapsedColumn(),
        TextColumn('left'),
        TimeRemainingColumn(),
    )
    # Starting counts as a round, and so does the memory.
    share = args.rounds + 2
    found = []
    with Progress(*columns, console=console) as progress:
        task = progress.add_task('', total=share * len(labels))
        for number, label in enumerate(labels):
            progress.update(
                task,
                description=f'{number + 1} of {len(labels)}: {escape(label)}',
            )

            def watch(done: int, before=number * share) -> None:
                progress.update(task, completed=before + done + bool(done))

            result = measure(
                settings[number],
                args.out / 'runs' / str(number + 1),
                args.threads,
                watch,
            )
            found.append(dict(label=label, **result))
            progress.update(task, completed=(number + 1) * share)
            if 'reason' in result:
                line = f'{label} failed: {result["reason"]}'
                console.print(line, highlight=False, markup=False)
            elif not console.is_terminal:
                line = f'{label} is measured'
                console.print(line, highlight=False, markup=False)
    return found


def main(args: argparse.Namespace) -> None:
    """Measure every config, and report."""
    from mmrazor_lakd.benchmark.cost.jobs import (
        check_jobs,
        find_reference,
        make_settings,
        parse_job,
    )
    from mmrazor_lakd.benchmark.cost.report import write_report
    from mmrazor_lakd.cli import check_folder
    from mmrazor_lakd.errors import SettingError

    jobs = [parse_job(text) for text in args.configs]
    reference = find_reference(args.reference, jobs)
    check_jobs(args, jobs)
    check_folder('--out', args.out)
    args.out.mkdir(parents=True, exist_ok=True)
    console = Console()
    labels = [job.label for job in jobs]
    settings = [make_settings(args, job) for job in jobs]
    found = measure_all(args, labels, settings, console)
    reasons = {result.get('reason') for result in found}
    if None not in reasons:
        listed = '; '.join(r.removeprefix('error: ') for r in reasons)
        raise SettingError(f'Not one config could be measured: {listed}')
    command = shlex.join(['python', 'tools/analyze_cost.py', *sys.argv[1:]])
    write_report(args.out, found, reference.label, command, ROOT, console)
    if any('reason' in result for result in found):
        sys.exit(1)


if __name__ == '__main__':
    arguments = parse_args()
    # Seconds of imports that a wrong option need not wait for.
    from mmrazor_lakd.cli import run_tool

    run_tool(partial(main, arguments), arguments.debug)
