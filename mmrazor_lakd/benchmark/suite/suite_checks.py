"""Checks of a suite's options, and of its trainings beside each other."""

import re
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

from ...errors import SettingError
from .training import Training, teacher_name

#: settings of a model that change what a step costs, and not what it computes
COST_ALONE = ('recompute', 'teacher_chunks')


def check_same(
    path: Path, methods: Sequence[Dict[str, Any]], computed: Dict[str, str]
) -> None:
    """Check that methods with ``same_as`` compute what they say.

    Args:
        path (Path): The suite's file.
        methods (Sequence[dict]): Its methods.
        computed (dict): A digest of what each computes, by title.
    """
    for method in methods:
        title = method['title']
        other = method.get('same_as', title)
        if computed[title] != computed[other]:
            raise SettingError(
                f"The suite {path} has {title} the same_as '{other}', but "
                f'their configs differ in more than model.'
                f'{" and model.".join(COST_ALONE)}; leave same_as out.'
            )


def check_names(path: Path, students: Sequence[Training]) -> None:
    """Check that no two trainings would share a folder and a result."""
    titles: Dict[str, str] = {}
    for training in students:
        other = titles.setdefault(training.name, training.method)
        if other != training.method:
            raise SettingError(
                f"The suite {path} has '{other}' and '{training.method}', "
                f'which compute the same and differ in no letter or digit of '
                f'their titles; leave one of them out.'
            )


def check_no_checkpoint(
    path: Path, title: str, options: Dict[str, Any], teacher: str
) -> None:
    """Check that a suite finds its teacher where it looks for it."""
    for name in options:
        if re.match(r'model\.teacher_ckpt(\.|$)', name):
            raise SettingError(
                f'The suite {path} has {name} in the options for {title}, '
                f'where it would have no effect; write '
                f'teacher_checkpoints.{teacher}=PATH, for all methods.'
            )


def check_teacher_options(
    path: Path, settings: Dict[str, Any], options: Dict[str, Any]
) -> None:
    """Check that some teacher is trained for which options are given.

    Args:
        path (Path): The suite's file.
        settings (dict): Its settings, with the options.
        options (dict): The options of the command line.
    """
    given = settings['teacher_checkpoints']
    names = [teacher_name(str(path), pair) for pair in settings['pairs']]
    if any(given.get(name) is None for name in names):
        return
    for name in options:
        if name.partition('.')[0] in ('teacher_epochs', 'teacher_options'):
            raise SettingError(
                f'The suite {path} trains no teacher, since it has '
                f'teacher_checkpoints of all, and {name} would have no '
                f'effect; leave it out, or write '
                f'teacher_checkpoints.{names[0]}=None as well.'
            )


def check_checkpoints(
    path: Path,
    settings: Dict[str, Any],
    teachers: Dict[str, Optional[Training]],
) -> None:
    """Check that all given teacher checkpoints are used by the suite."""
    known = [name for name, teacher in teachers.items() if teacher]
    for name, given in settings['teacher_checkpoints'].items():
        if not isinstance(given, (str, type(None))):
            raise SettingError(
                f'The suite {path} has teacher_checkpoints of {name!r}: '
                f'{given!r}; give the path of a checkpoint, or None.'
            )
        if name not in known:
            raise SettingError(
                f"The suite {path} has teacher_checkpoints for '{name}', "
                f'which is none of its teachers with a config in '
                f'configs/teachers: {", ".join(known) or "none"}; for others '
                f'write model.teacher_ckpt into the options.'
            )
