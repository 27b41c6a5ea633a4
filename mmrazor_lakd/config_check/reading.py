"""Read config files, and explain why one can't be read."""

import ast
import os
import os.path as osp
import traceback
from typing import Dict, Iterator, List, Optional, Tuple

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from ..errors import SettingError, nearest
from .names import check_option_names
from .reduction import reduce

BASE = '_base_'


def read_config_file(
    path: str, options: Optional[Dict] = None, training: bool = True
) -> Config:
    """Read a config, merge options into it and import what it names.

    MMEngine imports before it merges, so that ``--cfg-options
    custom_imports.imports=...`` would have no effect.

    Args:
        path (str): Path of the config.
        options (dict, optional): Settings that override it.
        training (bool): Whether it is a config for MMEngine's Runner.

    Raises:
        SettingError: If it can't be read, or nothing reads an option.
    """
    _refuse_circle(path, ())
    try:
        cfg = Config.fromfile(path, import_custom_modules=False)
    except Exception as error:  # a config is a program
        raise SettingError(_explain(path, error)) from error
    # MMEngine would format it for the log, for the work directory and for each
    # checkpoint, half a second each time. fromfile ignores its own option.
    object.__setattr__(cfg, '_format_python_code', False)
    if options:
        if training:
            check_option_names(options, cfg)
        try:
            cfg.merge_from_dict(options)
        except (AttributeError, KeyError, TypeError) as error:
            raise SettingError(
                f'--cfg-options {" ".join(options)} do not fit into '
                f"'{path}': {reduce(error)}."
            ) from error
    imports = cfg.get('custom_imports')
    if not imports:
        return cfg
    try:
        import_modules_from_strings(**imports)
    except Exception as error:  # a module is a program
        cause: BaseException = error
        while cause.__context__ is not None:
            cause = cause.__context__
        raise SettingError(
            f'custom_imports={imports} of {path}: {reduce(cause)}; '
            f'give a list of modules, and set PYTHONPATH to the folder that '
            f'they lie in.'
        ) from error
    return cfg


def _explain(path: str, error: Exception) -> str:
    """Explain why MMEngine could not read a config.

    Args:
        path (str): Path of the config.
        error (Exception): The error that MMEngine raised.

    Returns:
        str: A sentence that names the file, and the line if there is one.
    """
    return _explain_bases(path) or _explain_code(path, error)


def _refuse_circle(path: str, children: Tuple[str, ...]) -> None:
    """Raise if a config is its own base, which MMEngine would read forever."""
    if path in children:
        circle = ' -> '.join((*children, path))
        raise SettingError(
            f'The {BASE} of these configs go round in a circle: {circle}; '
            f'take one of them out.'
        )
    try:
        bases = list(_bases_of(path))
    except (OSError, SyntaxError, ValueError):
        return  # MMEngine will raise, too
    for base in bases:
        full = osp.normpath(osp.join(osp.dirname(path), base))
        if osp.isfile(full):
            _refuse_circle(full, (*children, path))


def _explain_bases(path: str) -> Optional[str]:
    """Explain which of a config and its bases can't be read, if any."""
    try:
        bases = list(_bases_of(path))
    except SyntaxError as error:
        return (
            f"The config '{path}' has a syntax error in line {error.lineno}: "
            f'{error.msg}.'
        )
    except (OSError, ValueError) as error:
        return f"The config '{path}' can't be read: {reduce(error)}."
    for base in bases:
        if '::' in base:  # of an installed package
            continue
        full = osp.normpath(osp.join(osp.dirname(path), base))
        if not osp.isfile(full):
            near = nearest(full, configs_near(full))
            return (
                f"The config '{path}' has the {BASE} '{base}', which does "
                f'not exist; the nearest ones are: {near}.'
            )
        reason = _explain_bases(full)
        if reason:
            return reason
    return None


def _bases_of(path: str) -> Iterator[str]:
    """Yield the bases of a config, as far as they are literals."""
    if not path.endswith('.py'):
        return
    with open(path, encoding='utf-8') as file:
        body = ast.parse(file.read()).body
    for node in body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == BASE
            for target in node.targets
        ):
            for part in getattr(node.value, 'elts', [node.value]):
                if not isinstance(part, ast.Constant):
                    continue  # computed by the config, unknown here
                if not isinstance(part.value, str):
                    raise ValueError(
                        f'its {BASE} has {part.value!r}, which is no path'
                    )
                yield part.value


def _explain_code(path: str, error: Exception) -> str:
    """Explain in which file and line a config fails to run."""
    # MMEngine runs a config as a module, under its file name.
    lines = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.name == '<module>'
    ]
    where = f"'{path}'"
    if lines:
        where = f"'{lines[-1].filename}', line {lines[-1].lineno},"
    return f"The config {where} can't be read: {reduce(error)}."


def configs_near(path: str) -> List[str]:
    """List the configs below the last existing folder of a wrong path."""
    folder = osp.dirname(path)
    while folder and not osp.isdir(folder):
        folder = osp.dirname(folder)
    found = [
        osp.join(root, file)
        for root, _, files in os.walk(folder or 'configs')
        for file in files
        if file.endswith('.py')
    ]
    return found or ['(none found)']
