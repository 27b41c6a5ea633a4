"""The cost of a suite's training steps: measuring, keeping and reading it."""

import shlex
import shutil
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence, Tuple

from rich.console import Console

from ...config_check import reduce
from ...errors import SettingError
from ..cost.jobs import Job
from ..cost.measure import CostSettings
from ..cost.run import measure_and_report
from .configs import format_options, place_config
from .results import read_json
from .suite import Suite
from .training import Training


def measure_costs(
    report: Path, suite: Suite, root: Path, console: Console
) -> List[Dict[str, str]]:
    """Measure a step of each method of each pair, one at a time.

    Returns:
        list[dict]: Failures, each with ``name`` and ``reason``.
    """
    failures = []
    reference = suite.settings['reference']
    for pair in suite.settings['pairs']:
        # Within the project, the command reads the same on every machine.
        out = (report / 'cost' / pair).resolve()
        shown = out.relative_to(root) if out.is_relative_to(root) else out
        earlier = read_cost(report, pair)
        known = earlier.get('digests', {})
        jobs, settings, digests = {}, {}, {}
        for training in suite.measured:
            if training.pair != pair:
                continue
            config = place_config(
                root, training.config, report / 'cost' / 'configs'
            )
            options = format_options(training.options)
            job = Job(training.method, config, options)
            jobs[job.label] = job
            digests[job.label] = training.cost_digest
            if job.label == reference and _is_current(training, known):
                known[reference] = training.cost_digest  # in its newer form
            settings[job.label] = CostSettings(
                config=str(root / config),
                options=training.options,
                work_dir=str(out / 'work_dirs'),
            )
        command = ['python', 'tools/analyze_cost.py']
        command += [job.text for job in jobs.values()]
        command += ['--reference', reference]
        command += ['--threads', str(suite.settings['threads'])]
        command += ['--out', str(shown)]
        try:
            # Failures are printed; the rest is measured.
            done = measure_and_report(
                settings,
                reference,
                out,
                suite.settings['threads'],
                shlex.join(command),
                root,
                console,
                digests,
                earlier,
            )
        except (SettingError, OSError) as error:
            console.print(reduce(error), markup=False)
            done = False
        if not done:
            failures.append(
                dict(
                    name=f'the cost of {pair}',
                    reason=f'see above, and the logs in {shown / "runs"}',
                )
            )
            continue
        for folder in ('runs', 'work_dirs'):
            shutil.rmtree(out / folder)
    return failures


def read_cost(report: Path, pair: str) -> Dict[str, Any]:
    """Read all that was measured for a pair; empty if nothing was."""
    path = report / 'cost' / pair / 'cost.json'
    return read_json(path) if path.is_file() else {}


def read_costs(
    report: Path, pair: str, reference: str
) -> Dict[str, Dict[str, Any]]:
    """Read the measured cost of a step, by method.

    Empty if there is none, or if it was compared with a method other than
    ``reference``.
    """
    cost = read_cost(report, pair)
    if cost.get('reference') != reference:
        return {}
    return {row['config']: row for row in cost['rows']}


def read_current_costs(
    report: Path, suite: Suite, pair: str
) -> Tuple[Dict[str, Dict[str, Any]], List[str]]:
    """Read the measured costs that belong to a suite's methods as they are.

    Returns:
        tuple[dict, list[str]]: The cost of a step, by method, and the methods
        whose cost was measured with other settings. If the reference is among
        them, there are no costs, since they were compared with it.
    """
    reference = suite.settings['reference']
    rows = read_costs(report, pair, reference)
    outdated = find_outdated(report, suite, pair)
    # A part of the suite has fewer methods than were measured.
    titles = {t.method for t in suite.measured if t.pair == pair}
    current = {
        name: row
        for name, row in rows.items()
        if name in titles and name not in outdated
    }
    return (
        current if reference in current else {},
        [name for name in outdated if name in rows],
    )


def find_outdated(report: Path, suite: Suite, pair: str) -> List[str]:
    """List the methods whose cost was measured with other settings.

    If the reference's was, so were all, since they were compared with it. A
    measurement of earlier versions, without a digest, is taken as it is.
    """
    known = read_cost(report, pair).get('digests', {})
    measured = [t for t in suite.measured if t.pair == pair]
    found = [t.method for t in measured if not _is_current(t, known)]
    if suite.settings['reference'] in found:
        return [training.method for training in measured]
    return found


def _is_current(training: Training, digests: Dict[str, str]) -> bool:
    """Check whether a method's cost was measured with its settings of now."""
    # Earlier versions wrote down the digest of its results, without the seed.
    known = digests.get(training.method)
    return known in (None, training.cost_digest, training.seedless)


def describe_outdated(methods: Sequence[str]) -> Iterator[str]:
    """Say whose cost was measured with other settings."""
    if methods:
        yield (
            f'Time and memory of {", ".join(methods)} were measured with '
            f'other settings, and are not shown; --cost measures them again.'
        )
