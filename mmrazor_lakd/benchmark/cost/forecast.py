"""Forecasts how much memory a training needs with each memory setting.

Nothing is estimated: each setting trains for a few steps of the training's
own size, and is measured like any config.
"""

import gc
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Set,
)

import torch
from mmengine.config import Config
from rich.console import Console

from ...cli import make_progress
from ...config_check.kinds import type_name
from ...errors import SettingError
from ...provenance import describe_commit, describe_machine, describe_origin
from ...report import Report, Section, rich_table, to_markdown
from .measure import CostSettings, measure_cost
from .table import step_peak

MIB = 2**20
#: settings that a forecast tries
TRIED = (
    'model.teacher_chunks',
    'model.recompute',
    'model.distiller.num_modules',
    'model.distiller.local_modules',
)
#: the largest ``num_modules`` that is tried without another
MOST_MODULES = 8
UNITS = dict(KiB=2**10, MiB=MIB, GiB=2**30, KB=10**3, MB=10**6, GB=10**9)


class Setting(NamedTuple):
    """What of a config saves memory.

    Attributes:
        modules (int, optional): ``num_modules`` of LAKD; None for the
            config's own boundaries, or for another method.
        chunks (bool): Whether the teacher may run in chunks.
        recompute (tuple[str, ...]): Of the student.
    """

    modules: Optional[int]
    chunks: bool
    recompute: Sequence[str]

    def options(self) -> Dict[str, Any]:
        """Return what ``--cfg-options`` takes."""
        found: Dict[str, Any] = {
            'model.teacher_chunks': 'auto' if self.chunks else 1,
            'model.recompute': list(self.recompute),
        }
        if self.modules is not None:
            found['model.distiller.num_modules'] = self.modules
            found['model.distiller.local_modules'] = None
        return found

    def command(self, model: Dict[str, Any]) -> str:
        """Write what differs from a config, as options of a command.

        Args:
            model (dict): The config's model.
        """
        options = self.options()
        for name, default in (('teacher_chunks', 'auto'), ('recompute', [])):
            given = model.get(name, default)
            if options[f'model.{name}'] == given:
                del options[f'model.{name}']
        return ' '.join(
            f'{k}=[{",".join(v)}]' if isinstance(v, list) else f'{k}={v}'
            for k, v in options.items()
        )


def parse_size(text: str) -> int:
    """Read a size such as ``8GiB``, in bytes.

    Raises:
        SettingError: If it is none.

    Examples:
        >>> parse_size('1.5GiB')
        1610612736
    """
    found = re.fullmatch(rf'(\d+\.?\d*)\s*({"|".join(UNITS)})', text.strip())
    if not found or not float(found[1]):
        raise SettingError(
            f'--budget {text} is no size; write a number and a unit of '
            f'{", ".join(UNITS)}, such as 8GiB.'
        )
    return int(float(found[1]) * UNITS[found[2]])


def list_settings(cfg: Config, most: Optional[int] = None) -> List[Setting]:
    """List the settings to try, from the fastest to the smallest.

    Args:
        cfg (Config): A training config.
        most (int, optional): The largest ``num_modules``. Defaults to None:
            8, if there are local modules.

    Raises:
        SettingError: If it doesn't distil from a frozen teacher, or has no
            local modules for ``most``.
    """
    distiller = cfg.model.get('distiller') or {}
    if type_name(cfg.model.get('type')) != 'FrozenTeacherDistill':
        raise SettingError(
            f'--forecast takes a config with '
            f"model.type='FrozenTeacherDistill', whose settings it tries, "
            f'and this one has {cfg.model.get("type")!r}.'
        )
    counts: List[Optional[int]] = [None]
    if type_name(distiller.get('type')) == 'LAKDDistiller':
        counts += range(1, (most or MOST_MODULES) + 1)
    elif most:
        raise SettingError(
            f'--most-modules {most} would have no effect, since the '
            f'distiller of this config, {distiller.get("type")!r}, has no '
            f'local modules; leave it out.'
        )
    return [
        Setting(count, chunks, recompute)
        for recompute in ((), ('blocks', 'stem'))
        for chunks in (True, False)
        for count in counts
    ]


def forecast(
    settings: CostSettings,
    tried: Sequence[Setting],
    report: Callable[[str], None],
) -> Iterator[Dict[str, Any]]:
    """Measure one setting after another.

    A setting that the networks don't allow is left out: more modules than
    blocks. A stem, or blocks, that can't be recomputed, which may depend on
    where the boundaries are, are left out of the settings.

    Args:
        settings (CostSettings): What to measure.
        tried (Sequence[Setting]): From :func:`list_settings`.
        report (Callable): Called after each, with a line if it failed, or
            had to keep its stem or blocks, for a reason that no other setting
            had.

    Yields:
        dict: ``setting``, ``peak`` and ``resting`` in bytes, ``step_ms``, and
        ``machine`` and ``notes`` as of :func:`measure_cost`.
    """
    kept: Dict[Optional[int], Set[str]] = {}
    reasons: Set[str] = set()
    for setting in tried:
        failure, without = '', ''
        parts = setting.recompute
        while True:
            known = kept.setdefault(setting.modules, set())
            left = tuple(part for part in parts if part not in known)
            if parts and not left:
                break  # it would be the setting without recomputation
            setting = setting._replace(recompute=left)
            options = {**settings.options, **setting.options()}
            own = replace(settings, options=options, log_level='ERROR')
            try:
                found = measure_cost(own, report=lambda line: None)
                memory = found['memory']
                yield dict(
                    setting=setting,
                    peak=step_peak(memory),
                    resting=memory['resting'],
                    step_ms=min(found['step_ms']),
                    notes=found['notes'],
                )
            except SettingError as error:
                refused = {
                    part
                    for part in left
                    if f"recompute has '{part}'" in str(error)
                }
                if refused:
                    known |= refused
                    without = f'without the {refused.pop()}, since {error}'
                    continue
                failure = str(error)
            except RuntimeError as error:
                if 'out of memory' not in str(error):
                    raise
                failure = 'out of memory'
            break
        reason = failure or without
        is_new = reason and reason not in reasons
        reasons.add(reason)
        report(f'{_describe(setting)}: {reason}' if is_new else '')
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _describe(setting: Setting) -> str:
    """Name a setting in a line."""
    modules = 'as written' if setting.modules is None else setting.modules
    chunks = 'teacher in chunks' if setting.chunks else 'teacher at once'
    kept = f', recomputed: {", ".join(setting.recompute)}'
    return (
        f'num_modules {modules}, {chunks}{kept if setting.recompute else ""}'
    )


def _total(row: Dict[str, Any]) -> int:
    """Return what a setting needs during a step, in bytes."""
    return row['peak'] + row['resting']


def cheapest(
    rows: Sequence[Dict[str, Any]], budget: int
) -> Optional[Dict[str, Any]]:
    """Find the fastest setting that fits; None if none does.

    Nothing is faster for being computed twice, whatever two steps say: what
    fits without recomputation goes first. Steps that differ by less than a
    twentieth count as equally fast, of which the first in the list is taken.
    """
    fitting = [row for row in rows if _total(row) <= budget]
    if not fitting:
        return None
    fitting = [r for r in fitting if not r['setting'].recompute] or fitting
    fastest = min(row['step_ms'] for row in fitting)
    return next(row for row in fitting if row['step_ms'] <= 1.05 * fastest)


def make_forecast(
    settings: CostSettings,
    budget: Optional[int],
    most: Optional[int],
    out: Path,
    command: str,
    console: Console,
) -> bool:
    """Measure all settings of a config, and write and show the table.

    Args:
        settings (CostSettings): The config, its options and its images.
        budget (int, optional): The memory there is, in bytes.
        most (int, optional): See :func:`list_settings`.
        out (Path): The folder for forecast.md and forecast.json.
        command (str): The user's command.
        console (Console): Where to show it.

    Returns:
        bool: Whether a setting fits the budget; True without one.

    Raises:
        SettingError: If no setting could be measured.
    """
    cfg = settings.load()
    for name in TRIED:
        if name in settings.options:
            raise SettingError(
                f'--forecast tries {name} itself, so that it would have no '
                f'effect in --cfg-options; leave it out there.'
            )
    tried = list_settings(cfg, most)
    failures: List[str] = []
    with make_progress(console) as progress:
        task = progress.add_task('settings', total=len(tried))

        def report(failure: str) -> None:
            progress.advance(task)
            if failure:
                failures.append(failure)

        rows = list(forecast(settings, tried, report))
    if not rows:
        raise SettingError(f'No setting could be measured: {failures[0]}')
    facts = describe_origin(
        dict(
            command=command,
            **describe_commit(),
            machine=describe_machine(),
        )
    )
    facts += [f'{settings.config}: {note}' for note in rows[0].pop('notes')]
    facts += [f'left out: {failure}' for failure in dict.fromkeys(failures)]
    verdict = _verdict(rows, budget, cfg.model)
    section = Section(
        'Memory of a training step', verdict, *_table(rows, budget)
    )
    out.mkdir(parents=True, exist_ok=True)
    text = to_markdown(
        Report('What a training will need', '', [section], facts)
    )
    (out / 'forecast.md').write_text(text, encoding='utf-8')
    written = [dict(row, setting=row['setting']._asdict()) for row in rows]
    (out / 'forecast.json').write_text(json.dumps(written, indent=1) + '\n')
    console.print(rich_table(section, no_wrap=True))
    for line in (*facts, verdict):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return budget is None or cheapest(rows, budget) is not None


def _verdict(
    rows: Sequence[Dict[str, Any]],
    budget: Optional[int],
    model: Dict[str, Any],
) -> str:
    """Say which setting to take, and what of the config to change."""
    if budget is None:
        least = min(rows, key=_total)
        return (
            f'Least memory: {_describe(least["setting"])}'
            f'{_as_options(least["setting"], model)}.'
        )
    found = cheapest(rows, budget)
    if found is None:
        least = min(rows, key=_total)
        total = _total(least) / MIB
        return (
            f'No setting fits {budget / MIB:.0f} MiB; the least is '
            f'{total:.1f} MiB with {_describe(least["setting"])}: lower the '
            f'batch size, or crop smaller.'
        )
    return (
        f'The fastest that fits {budget / MIB:.0f} MiB: '
        f'{_describe(found["setting"])}'
        f'{_as_options(found["setting"], model)}.'
    )


def _as_options(setting: Setting, model: Dict[str, Any]) -> str:
    """Write how to get a setting from a config, in brackets."""
    options = setting.command(model)
    return f' (--cfg-options {options})' if options else ' (as written)'


def _table(rows: Sequence[Dict[str, Any]], budget: Optional[int]):
    """Build the header and the rows of the table."""
    header = [
        'K', 'teacher', 'recomputed',
        'peak MiB', 'resting', 'total', 'fits', 'step ms',
    ]  # fmt: skip
    lines = []
    for row in rows:
        modules, chunks, recompute = row['setting']
        total = _total(row)
        fits = '' if budget is None else 'yes' if total <= budget else 'no'
        lines.append(
            [
                'as is' if modules is None else str(modules),
                'in chunks' if chunks else 'at once',
                ' + '.join(recompute) or 'nothing',
                f'{row["peak"] / MIB:.1f}',
                f'{row["resting"] / MIB:.1f}',
                f'{total / MIB:.1f}',
                fits,
                f'{row["step_ms"]:.0f}',
            ]
        )
    return header, lines, 3
