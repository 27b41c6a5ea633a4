"""Find where in the code an error occurred, from its traceback."""

import linecache
import re
from pathlib import Path
from types import FrameType
from typing import List, Optional, Tuple

from torch import nn

from ..tracing.modules import unwrap_model

Frames = List[Tuple[FrameType, int]]


def list_frames(error: BaseException) -> Frames:
    """List the frames and lines of an error, innermost first."""
    found, traceback = [], error.__traceback__
    while traceback is not None:
        found.append((traceback.tb_frame, traceback.tb_lineno))
        traceback = traceback.tb_next
    return found[::-1]


def name_place(frames: Frames) -> str:
    """Return the file and line of the innermost frame."""
    if not frames:
        return 'unknown place'
    frame, line = frames[0]
    file = re.sub(
        r'.*(site-packages|/lib/python[^/]*)/', '', frame.f_code.co_filename
    )
    return f'{file}, line {line}'


def name_file(frames: Frames) -> str:
    """Return the file in use, for an error that doesn't name it."""
    for frame, _ in frames:
        for name in ('file', 'filename', 'filepath', 'path'):
            value = frame.f_locals.get(name)
            if isinstance(value, (str, Path)):
                return f' ({value})'
    return ''


def name_assertion(frames: Frames) -> str:
    """Return the code of an assertion without a message."""
    if not frames:
        return ''
    frame, line = frames[0]
    return linecache.getline(frame.f_code.co_filename, line).strip()


def find_module(frames: Frames) -> Optional[Tuple[str, nn.Module]]:
    """Return the innermost running module, with its name in the outermost."""
    owners = [frame.f_locals.get('self') for frame, _ in frames]
    running = [
        owner
        for owner in owners
        # one under construction has no modules yet
        if isinstance(owner, nn.Module) and '_modules' in vars(owner)
    ]
    if not running:
        return None
    model = unwrap_model(running[-1])
    names = {module: name for name, module in model.named_modules()}
    for name, value in vars(model).items():  # a teacher isn't a submodule
        if isinstance(value, nn.Module):
            for inner, module in value.named_modules(prefix=name):
                names[module] = inner
    for module in running:
        if names.get(module):
            return names[module], module
    return None


def explain_width(error: Exception, module: nn.Module) -> str:
    """Explain which width a linear layer expects and gets."""
    shapes = re.search(r'\(\d+x(\d+) and (\d+)x\d+\)', str(error))
    if shapes is None or not isinstance(module, nn.Linear):
        return ''
    return (
        f': it takes {shapes[2]} features and is given {shapes[1]}; set '
        f'in_channels={shapes[1]} where the config has {shapes[2]}'
    )
