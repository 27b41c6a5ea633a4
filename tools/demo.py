"""Distil a classifier in minutes: scikit-learn's digits, four trainings.

Trains a ResNet20 teacher and three ResNet8 students (alone, with KD, with
LAKD) by calling tools/train.py, tests each with tools/test.py, prints a table
and writes report.png. The students have a third of the teacher's epochs, in
which a teacher helps visibly: digits are so easy that in 15 epochs a student
learns them alone.
"""

import argparse
import io
import json
import subprocess
import sys
import time
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, List, Optional

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
METRIC = 'accuracy/top1'
POLL_SECONDS = 0.5


@dataclass
class Run:
    """One training of the demo."""

    title: str
    folder: str
    config: str
    epochs: int
    distilled: bool = False
    seconds: float = 0.0
    accuracy: float = 0.0
    checkpoint: Optional[Path] = None
    curve: List[float] = field(default_factory=list)


def make_runs(teacher_epochs: int, epochs: int) -> List[Run]:
    kd, lakd = 'kd/kd_resnet20_resnet8', 'lakd/lakd_resnet20_resnet8'
    teacher, alone = 'teachers/resnet20', 'teachers/resnet8'
    return [
        Run('ResNet20, the teacher', 'teacher', teacher, teacher_epochs),
        Run('ResNet8 alone', 'alone', alone, epochs),
        Run('ResNet8 + KD', 'kd', kd, epochs, True),
        Run('ResNet8 + LAKD', 'lakd', lakd, epochs, True),
    ]


def shorten(path: Path) -> str:
    """Return a path inside the project relative to it."""
    inside = path.is_relative_to(ROOT)
    return str(path.relative_to(ROOT) if inside else path)


def config_path(run: Run) -> Path:
    return ROOT / 'configs' / f'{run.config}_1xb64_digits.py'


def read_curve(work_dir: Path, started: float) -> List[float]:
    """Read the accuracy of each epoch from MMEngine's log.

    A log from before ``started`` belongs to an earlier demo.
    """
    logs = sorted(work_dir.glob('*/vis_data/scalars.json'))
    if not logs or logs[-1].stat().st_mtime < started:
        return []
    lines = logs[-1].read_text().splitlines()
    scalars = [json.loads(line) for line in lines if line.endswith('}')]
    return [entry[METRIC] for entry in scalars if METRIC in entry]


def call(
    tool: str,
    arguments: List[str],
    log: Path,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """Call one of the tools; stop the demo if it fails."""
    command = [sys.executable, str(ROOT / 'tools' / tool), *arguments]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('w') as file:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT
        )
        try:
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
                watch()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        tail = '\n'.join(log.read_text().splitlines()[-15:])
        sys.exit(f'{tail}\nerror: tools/{tool} failed; its log is {log}.')


def train_and_test(
    run: Run,
    out: Path,
    teacher: Optional[Path],
    debug: List[str],
    watch: Callable[[int], None],
) -> None:
    """Train one model and test its last checkpoint."""
    work_dir = out / run.folder
    options = [
        f'train_cfg.max_epochs={run.epochs}',
        'default_hooks.checkpoint.save_best=None',
    ]
    if run.distilled:
        # relative to the project, whose own path may have spaces
        options.append(f'model.teacher_ckpt={shorten(teacher)}')
    common = [str(config_path(run)), '--work-dir', str(work_dir), *debug]
    started = time.time()
    call(
        'train.py',
        [*common, '--cfg-options', *options],
        out / f'{run.folder}_train.log',
        watch=lambda: watch(len(read_curve(work_dir, started))),
    )
    run.seconds = time.time() - started
    run.curve = read_curve(work_dir, started)
    run.checkpoint = work_dir / f'epoch_{run.epochs}.pth'
    metrics = work_dir / 'metrics.json'
    call(
        'test.py',
        [common[0], str(run.checkpoint), *common[1:]]
        + ['--out', str(metrics), '--out-item', 'metrics'],
        out / f'{run.folder}_test.log',
    )
    run.accuracy = json.loads(metrics.read_text())[METRIC]


def train_all(
    runs: List[Run],
    out: Path,
    debug: List[str],
    console: Console,
) -> None:
    """Train and test the models one by one, showing the time left."""
    columns = (
        TextColumn('{task.description:24}'),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn('epochs'),
        TimeElapsedColumn(),
        TextColumn('left'),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        total = sum(run.epochs for run in runs)
        overall = progress.add_task('All trainings', total=total)
        before = 0
        for run in runs:
            task = progress.add_task(run.title, total=run.epochs)

            def watch(done: int, task=task, before=before) -> None:
                progress.update(task, completed=done)
                progress.update(overall, completed=before + done)

            teacher = runs[0].checkpoint
            train_and_test(run, out, teacher, debug, watch)
            watch(run.epochs)
            before += run.epochs
            if not console.is_terminal:
                console.print(
                    f'{run.title}: {run.accuracy:.2f} % in {run.seconds:.0f} s'
                )


def print_table(runs: List[Run], console: Console) -> None:
    table = Table(title='scikit-learn digits, 445 test images')
    table.add_column('model')
    table.add_column('top-1 %', justify='right')
    table.add_column('time', justify='right')
    table.add_column('checkpoint', overflow='fold')
    for run in runs:
        table.add_row(
            run.title,
            f'{run.accuracy:.2f}',
            f'{run.seconds:.0f} s',
            shorten(run.checkpoint),
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=ROOT / 'work_dirs/demo')
    parser.add_argument(
        '--teacher-epochs', type=int, default=15, help='default: 15'
    )
    parser.add_argument(
        '--epochs', type=int, default=5, help="the students' (default: 5)"
    )
    parser.add_argument(
        '--debug',
        action='store_true',
        help='show the traceback of an error, too',
    )
    args = parser.parse_args()
    if args.epochs < 1:
        parser.error('--epochs must be at least 1')
    if args.teacher_epochs < 1:
        parser.error('--teacher-epochs must be at least 1')
    out = args.out.resolve()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out '{args.out}': {error.strerror}")

    console = Console()
    runs = make_runs(args.teacher_epochs, args.epochs)
    started = time.time()
    debug = ['--debug'] if args.debug else []
    train_all(runs, out, debug, console)
    print_table(runs, console)
    report = out / 'report.png'
    with redirect_stdout(io.StringIO()):  # hides the log of model loading
        # Importing it at the top would delay the first output by seconds.
        from mmrazor_lakd.visualization.demo_report import draw_report

        draw_report(
            report,
            [run.title for run in runs],
            [run.curve for run in runs],
            [config_path(run) for run in runs],
            [run.checkpoint for run in runs],
        )
    minutes, seconds = divmod(round(time.time() - started), 60)
    console.print(f'Curves and attention maps: {shorten(report)}')
    console.print(f'The demo took {minutes} min {seconds} s.')


if __name__ == '__main__':
    main()
