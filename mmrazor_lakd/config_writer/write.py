"""Write a config as a person would, based on existing files."""

from pathlib import Path
from typing import Sequence

from ..checkpoints.whole_file import write_whole
from ..errors import SettingError
from .choose import Choice
from .place import relative_path


def config_text(choice: Choice, folder: Path) -> str:
    """Return the text of a config.

    Args:
        choice (Choice): What it consists of.
        folder (Path): Its folder, to which its ``_base_`` is relative.
    """
    lines = ['_base_ = [']
    for base in choice.bases:
        lines.append(f"    '{relative_path(base, folder)}',")
    lines += [']', '']
    for variable, setting in choice.changes:
        line = f'_base_.{variable}.update({setting})'
        if len(line) > 79:
            head, _, tail = line.partition('(')
            lines += [f'{head}(', f'    {tail[:-1]}', ')']
        else:
            lines.append(line)
    if not choice.parts:
        lines.append(
            'model = dict(_delete_=True, **_base_.model.architecture)'
        )
        return '\n'.join(lines) + '\n'
    values = [f'{part}=_base_.{name}' for part, name in choice.parts.items()]
    line = f'model = dict({", ".join(values)})'
    if len(line) > 79:
        lines += ['model = dict(', *(f'    {v},' for v in values), ')']
    else:
        lines.append(line)
    lines += [f'{key} = _base_.{name}' for key, name in choice.others.items()]
    return '\n'.join(lines) + '\n'


def write_config(choice: Choice, path: Path, overwrite: bool = False) -> str:
    """Write a config to a file; see :func:`write_text`.

    Args:
        choice (Choice): What it consists of.
        path (Path): The file.
        overwrite (bool): Whether to replace another config. Defaults to
            False.

    Returns:
        str: The text.
    """
    check_path(path)
    text = config_text(choice, path.parent)
    write_text(text, path, overwrite)
    return text


def write_text(text: str, path: Path, overwrite: bool = False) -> None:
    """Write the text of a config to a file.

    Args:
        text (str): The text.
        path (Path): The file.
        overwrite (bool): Whether to replace another config. Defaults to
            False.

    Raises:
        SettingError: If the file is not a Python file, exists with another
            text, or can't be written.
    """
    check_path(path)
    if path.is_file() and not overwrite and path.read_bytes() != text.encode():
        raise SettingError(
            f"There is another config '{path}'; add --overwrite to replace "
            f'it, or name another file.'
        )
    write_whole(path, text.encode())


def check_path(path: Path, sources: Sequence[str] = ()) -> None:
    """Raise if a config can't have this name.

    Args:
        path (Path): The file.
        sources (Sequence[str]): Configs that it is made from.

    Raises:
        SettingError: If it is not that of a Python file, or one of the
            sources.
    """
    if path.suffix != '.py':
        raise SettingError(
            f"A config ends in .py, but --out is '{path}'; add the ending."
        )
    if path.resolve() in [Path(source).resolve() for source in sources]:
        raise SettingError(
            f"--out is '{path}', which the new config is made from; name "
            f'another file.'
        )
