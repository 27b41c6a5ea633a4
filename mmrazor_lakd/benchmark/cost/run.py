"""Measures configs one after another, each in its own process."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from rich.console import Console
from rich.markup import escape

from ...cli import make_progress
from ...errors import SettingError
from ...provenance import describe_machine
from ..processes import explain_failure, start_python, wait_for
from .measure import CostSettings
from .report import find_incomparable, write_cost_report

POLL_SECONDS = 0.2


def measure(
    settings: CostSettings,
    files: Path,
    folder: Path,
    threads: Optional[int],
    watch: Callable[[int], None],
) -> Dict[str, Any]:
    """Measure one config in its own process.

    Args:
        settings (CostSettings): What to measure.
        files (Path): Name of the files to write, without the extension.
        folder (Path): Where to run it.
        threads (int, optional): Of PyTorch on the CPU.
        watch (Callable): Called from time to time with the number of finished
            rounds.

    Returns:
        dict: The measurements, or ``reason``: why there are none.
    """
    given, result, log = (
        files.parent / f'{files.name}{end}'
        for end in ('.settings.json', '.json', '.log')
    )
    files.parent.mkdir(parents=True, exist_ok=True)
    given.write_text(json.dumps(asdict(settings), indent=1))
    result.unlink(missing_ok=True)  # from an earlier call
    process = start_python(
        ['-m', 'mmrazor_lakd.benchmark.cost.measure', str(given), str(result)],
        folder=folder,
        log=log,
        append=False,
        threads=threads,
        slot=0,
    )

    def read_rounds() -> None:
        text = log.read_text(errors='replace')
        watch(len(re.findall(r'^round \d', text, re.M)))

    wait_for(process, read_rounds, POLL_SECONDS)
    if process.returncode == 0:
        return json.loads(result.read_text())
    reason = explain_failure(process.returncode, log)
    return dict(reason=reason, log=str(log))


def measure_all(
    settings: Dict[str, CostSettings],
    out: Path,
    folder: Path,
    threads: Optional[int],
    console: Console,
) -> List[Dict[str, Any]]:
    """Measure one config after another, showing the time left.

    Args:
        settings (dict): What to measure, by its label.
        out (Path): The folder for logs.
        folder (Path): Where to run, from which paths are relative.
        threads (int, optional): Of PyTorch on the CPU.
        console (Console): Where to show it.

    Returns:
        list[dict]: For each its label and the result of :func:`measure`.
    """
    # Starting counts as a round, and so does measuring the memory.
    share = next(iter(settings.values())).rounds + 2
    found = []
    with make_progress(console) as progress:
        task = progress.add_task('', total=share * len(settings))
        for number, (label, own) in enumerate(settings.items()):
            progress.update(
                task,
                description=f'{number + 1} of {len(settings)}: '
                + escape(label),
            )

            def watch(done: int, before=number * share) -> None:
                progress.update(task, completed=before + done + bool(done))

            result = measure(
                own,
                out / 'runs' / str(number + 1),
                folder,
                threads,
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


def measure_and_report(
    settings: Dict[str, CostSettings],
    reference: str,
    out: Path,
    threads: Optional[int],
    command: str,
    folder: Path,
    console: Console,
    digests: Optional[Dict[str, str]] = None,
    earlier: Optional[Dict[str, Any]] = None,
) -> bool:
    """Measure configs and write the report.

    Args:
        settings (dict): What to measure, by its label.
        reference (str): Label of the one that the others are compared with.
        out (Path): The folder for all output.
        threads (int, optional): Of PyTorch on the CPU.
        command (str): The user's command.
        folder (Path): Where to run, from which paths are relative.
        console (Console): Where to show it.
        digests (dict, optional): See :func:`write_cost_report`.
        earlier (dict, optional): Likewise.

    Returns:
        bool: Whether every config could be measured.

    Raises:
        SettingError: If none could be, or not the reference of earlier ones.
    """
    out.mkdir(parents=True, exist_ok=True)
    if earlier:
        machine = describe_machine()
        machine['threads'] = threads or machine['threads']
        digest = (digests or {}).get(reference)
        others = find_incomparable(earlier, reference, digest, machine)
        others = [label for label in others if label not in settings]
        if others:
            console.print(
                f'The earlier measurements of {", ".join(others)} are not '
                f'comparable with those to come, which have another reference '
                f'or machine, other versions, threads or settings of '
                f'{reference}: their cost.json goes to cost-earlier-N.json.',
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    found = measure_all(settings, out, folder, threads, console)
    reasons = {result.get('reason') for result in found}
    if None not in reasons:
        listed = '; '.join(r.removeprefix('error: ') for r in reasons)
        raise SettingError(f'Not one config could be measured: {listed}')
    failed = {r['label']: r['reason'] for r in found if 'reason' in r}
    if earlier and reference in failed:
        raise SettingError(
            f'{reference} could not be measured, with which the others are '
            f'compared ({failed[reference].removeprefix("error: ")}); the '
            f'earlier measurements are left as they are.'
        )
    write_cost_report(
        out, found, reference, command, console, digests, earlier
    )
    return reasons == {None}
