"""One forward pass before training, to find the shapes of the maps."""

from collections import Counter
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import torch
from torch import nn

from ..errors import SettingError
from .failures import ERRORS, find_failure
from .modules import eval_mode, find_modules, forward_hooks


class Trace(NamedTuple):
    """The shapes found in a dry run.

    Attributes:
        shapes (list): Shape (1, C, H, W) of each named module's output.
        logits (torch.Size, optional): Shape of the model's output, if that
            is a single tensor.
    """

    shapes: List[torch.Size]
    logits: Optional[torch.Size]


def dry_run(
    model: nn.Module,
    names: Sequence[str],
    role: str,
    input_size: Union[int, Sequence[int], None] = None,
    option: str = 'local_modules',
) -> Trace:
    """Run a model once and record the outputs of some of its modules.

    The pass is run in eval mode without gradients: it changes no weight,
    running statistic or random state.

    Args:
        model (nn.Module): A model of MMEngine (``mode='tensor'``).
        names (Sequence[str]): The modules, in the expected execution order.
        role (str): ``'student'`` or ``'teacher'``, for the messages.
        input_size (int | tuple, optional): Height and width of the image.
            Defaults to the backbone's ``img_size``, and without one to 32, or
            224 if the model can't take 32.
        option (str): Where the names come from, for the messages.

    Raises:
        SettingError: If a module is unknown, doesn't run exactly once, runs
            out of order, or its output is not one map (N, C, H, W).
    """
    modules = find_modules(model, names, role, option)
    outputs: Dict[str, torch.Tensor] = {}
    calls: Counter = Counter()

    def record(name):
        def hook(module, inputs, output):
            outputs[name] = output
            calls[name] += 1

        return hook

    # One hook per name, though a name may be given more than once.
    image = find_image(model, role, input_size)
    hooks = [
        (module, record(name))
        for name, module in dict(zip(names, modules)).items()
    ]
    with forward_hooks(hooks), eval_mode(model), torch.no_grad():
        logits = model(image, mode='tensor')

    for name in names:
        check_output(name, role, calls[name], outputs.get(name), option)
    _check_order(names, list(outputs), role, option)
    return Trace(
        shapes=[outputs[name].shape for name in names],
        logits=logits.shape if isinstance(logits, torch.Tensor) else None,
    )


def find_image(
    model: nn.Module,
    role: str,
    input_size: Union[int, Sequence[int], None] = None,
) -> torch.Tensor:
    """Create a black image (1, C, H, W) of the first size a model accepts.

    Args:
        model (nn.Module): A model of MMEngine (``mode='tensor'``).
        role (str): ``'student'`` or ``'teacher'``, for the messages.
        input_size (int | tuple, optional): As in :func:`dry_run`.

    Raises:
        SettingError: If the model accepts none.
    """
    sizes = _candidate_sizes(model, input_size)
    channels = next(
        (m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d)), 3
    )
    weight = next(model.parameters())
    for size in sizes:
        image = weight.new_zeros(1, channels, *size)
        try:
            with eval_mode(model), torch.no_grad():
                model(image, mode='tensor')
            return image
        except ERRORS:
            continue
    raise SettingError(_why_refused(model, role, channels, sizes))


def _why_refused(model, role, channels, sizes) -> str:
    """Explain why a model rejects its images: their size or a layer width."""
    # A width that depends on the image size is wrong because of that size.
    others = [] if len(sizes) > 1 else [tuple(2 * side for side in sizes[0])]
    weight = next(model.parameters())
    with eval_mode(model):
        failures = [
            find_failure(model, weight.new_zeros(1, channels, *size))
            for size in [*sizes, *others]
        ]
    first = failures[0]
    if first.widths and all(
        other and (other.name, other.widths) == (first.name, first.widths)
        for other in failures
    ):
        taken, given = first.widths
        part = first.name.split('.')[0]
        cure = f'set {part}.in_channels={given}'
        if part == 'backbone':
            cure = 'mend its widths'
        return (
            f"The {role}'s '{first.name}' ({first.kind}) takes {taken} "
            f'channels, but gets {given} from an image of any size; {cure} '
            f"in the {role}'s config."
        )
    tried = ' or '.join(f'{height}x{width}' for height, width in sizes)
    return (
        f'The {role} takes no image of {tried} pixels, since it fails in '
        f'{first.describe()}; set input_size of the distiller to the '
        f"images' height and width."
    )


def _candidate_sizes(model, input_size) -> List[Tuple[int, int]]:
    """Return the sizes to try, as (height, width)."""
    backbone = getattr(model, 'backbone', None)
    size = input_size or getattr(backbone, 'img_size', None)
    if size is None:
        return [(32, 32), (224, 224)]
    return [(size, size) if isinstance(size, int) else tuple(size)]


def check_output(
    name, role, calls, output, option: str = 'local_modules'
) -> None:
    """Raise if a module doesn't output exactly one map."""
    if calls == 0:
        raise SettingError(
            f"{option}: the {role}'s module '{name}' never runs, so its "
            f'map never appears; name a module whose own forward is called '
            f'(a list of modules is not, its last item is).'
        )
    if calls > 1:
        raise SettingError(
            f"{option}: the {role}'s module '{name}' runs {calls} times "
            f'in one forward pass; name one that runs once.'
        )
    if not isinstance(output, torch.Tensor) or output.dim() != 4:
        kind = (
            f'a tensor of shape {tuple(output.shape)}'
            if isinstance(output, torch.Tensor)
            else f'a {type(output).__name__}'
        )
        raise SettingError(
            f"{option}: the {role}'s module '{name}' gives {kind}, "
            f'which the connector cannot align; name a module that gives one '
            f'map (N, C, H, W).'
        )


def _check_order(names, order, role, option) -> None:
    """Raise if the modules are not listed in execution order."""
    for first, second in zip(names, names[1:]):
        if order.index(first) > order.index(second):
            raise SettingError(
                f"{option}: the {role}'s module '{second}' runs before "
                f"'{first}', but is listed behind it; list the modules from "
                f'the input to the output.'
            )
