"""One forward pass before training, to find the shapes of the maps."""

from collections import Counter
from typing import (
    Any,
    Dict,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import torch
from torch import nn

from ..errors import SettingError
from .failures import find_failure
from .modules import eval_mode, find_modules, forward_hooks
from .passes import run_model, within_features
from .token_maps import as_map, why_no_map


class Trace(NamedTuple):
    """The shapes found in a dry run.

    Attributes:
        shapes (list): Shape (1, C, H, W) of each named module's map, without
            class tokens.
        tokens (list): For each, whether it consists of tokens (1, L, C).
        image_size (tuple): Height and width of the image.
        logits (torch.Size, optional): Shape of the model's output, if the
            whole model has run and this is a single tensor.
    """

    shapes: List[torch.Size]
    tokens: List[bool]
    image_size: Tuple[int, ...]
    logits: Optional[torch.Size]


def dry_run(
    model: nn.Module,
    names: Sequence[str],
    role: str,
    input_size: Union[int, Sequence[int], None] = None,
    option: str = 'local_modules',
) -> Trace:
    """Run a model once and record the outputs of some of its modules.

    Where the whole model can't be run on an image alone, modules of the
    backbone and the neck are run by its ``extract_feat``.

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
            out of order, or its output is no map, (N, C, H, W) or tokens.
    """
    modules = find_modules(model, names, role, option)
    outputs: Dict[str, Any] = {}
    calls: Counter = Counter()

    def record(name):
        def hook(module, inputs, output):
            outputs[name] = output
            calls[name] += 1

        return hook

    # One hook per name, though a name may be given more than once.
    image, part = find_pass(model, role, input_size, names)
    hooks = [
        (module, record(name))
        for name, module in dict(zip(names, modules)).items()
    ]
    with forward_hooks(hooks), eval_mode(model), torch.no_grad():
        result = run_model(model, image, part)

    size = image.shape[-2:]
    for name in names:
        check_output(name, role, calls[name], outputs.get(name), size, option)
    # Several teachers run one after another, whatever the order of the names.
    members = len(getattr(model, 'teachers', ())) or 1
    for member in range(members):
        own = [n for n in names if members == 1 or _is_in(n, member)]
        _check_order(own, list(outputs), role, option)
    maps = [as_map(outputs[name], size) for name in names]
    return Trace(
        shapes=[found.shape for found in maps],
        tokens=[found is not outputs[n] for n, found in zip(names, maps)],
        image_size=tuple(size),
        logits=result.shape
        if isinstance(result, torch.Tensor) and not part
        else None,
    )


def find_image(
    model: nn.Module,
    role: str,
    input_size: Union[int, Sequence[int], None] = None,
) -> torch.Tensor:
    """Create a black image (1, C, H, W) of the first size a model accepts.

    See :func:`find_pass`, for the whole model.
    """
    return find_pass(model, role, input_size)[0]


def find_pass(
    model: nn.Module,
    role: str,
    input_size: Union[int, Sequence[int], None] = None,
    names: Sequence[str] = (),
) -> Tuple[torch.Tensor, Sequence[str]]:
    """Find an image that a model accepts, and how much of the model runs.

    Args:
        model (nn.Module): A model of MMEngine (``mode='tensor'``).
        role (str): ``'student'`` or ``'teacher'``, for the messages.
        input_size (int | tuple, optional): As in :func:`dry_run`.
        names (Sequence[str]): The modules that matter. If all of them are in
            the backbone or the neck, a head that can't be run is left out.

    Returns:
        tuple[torch.Tensor, Sequence[str]]: A black image (1, C, H, W), and
        the ``names`` for :func:`run_model`: empty for the whole model.

    Raises:
        SettingError: If the model accepts no image, or the widths of its
            layers don't agree.
    """
    sizes = _candidate_sizes(model, input_size)
    weight = next(model.parameters())
    images = [
        weight.new_zeros(1, count, *size)
        for count in _candidate_channels(model)
        for size in sizes
    ]
    parts: List[Sequence[str]] = [()]
    if within_features(model, names):
        parts.append(names)
    for part in parts:
        for image in images:
            try:
                with eval_mode(model), torch.no_grad():
                    run_model(model, image, part)
                return image, part
            except Exception as error:  # of the model, maybe the user's own
                reason = error
        likely = [one for one in images if one.shape[1] == images[0].shape[1]]
        wrong = _why_widths_differ(model, role, likely, part)
        if wrong:
            break
    raise SettingError(
        wrong or _why_refused(model, role, images, part)
    ) from reason


def _why_widths_differ(model, role, images, part) -> Optional[str]:
    """Explain a layer width that is wrong for images of any size, if any."""
    # A width that depends on the image size is wrong because of that size.
    others = []
    if len(images) == 1:
        size = [2 * side for side in images[0].shape[-2:]]
        others = [images[0].new_zeros(*images[0].shape[:2], *size)]
    with eval_mode(model):
        failures = [
            find_failure(model, image, part) for image in [*images, *others]
        ]
    first = failures[0]
    if not first.widths or not all(
        other and (other.name, other.widths) == (first.name, first.widths)
        for other in failures
    ):
        return None
    taken, given = first.widths
    place = first.name.split('.')[0]
    cure = f'set {place}.in_channels={given}'
    if place == 'backbone':
        cure = 'mend its widths'
    return (
        f"The {role}'s '{first.name}' ({first.kind}) takes {taken} "
        f'channels, but gets {given} from an image of any size; {cure} '
        f"in the {role}'s config."
    )


def _why_refused(model, role, images, part) -> str:
    """Explain why a model rejects its images."""
    with eval_mode(model):
        first = find_failure(model, images[0], part)
    if not first.of_values:
        return (
            f'The {role} cannot be run on an image alone, since it fails in '
            f'{first.describe()}; mend it, or name only modules of its '
            f'backbone or neck, which its extract_feat(images) runs without '
            f'the head.'
        )
    sides, channels = (
        ' or '.join(dict.fromkeys(map(str, found)))
        for found in (
            [f'{one.shape[2]}x{one.shape[3]}' for one in images],
            [one.shape[1] for one in images],
        )
    )
    return (
        f'The {role} takes no image of {sides} pixels and {channels} '
        f'channels, since it fails in {first.describe()}; set input_size of '
        f"the distiller to the images' height and width."
    )


def _candidate_channels(model: nn.Module) -> List[int]:
    """Return the numbers of channels of an image to try, the likeliest first.

    The first convolution that is registered says it, mostly.
    """
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), 3)
    likely = getattr(first, 'in_channels', 3)
    # The image is rearranged before it, as in YOLOX, or it isn't the first.
    channels = [3, likely] if likely > 4 else [likely, 3]
    mean = getattr(getattr(model, 'data_preprocessor', None), 'mean', None)
    if mean is not None:
        channels.append(mean.numel())
    return list(dict.fromkeys([*channels, 1]))


def _candidate_sizes(model, input_size) -> List[Tuple[int, int]]:
    """Return the sizes to try, as (height, width)."""
    backbone = getattr(model, 'backbone', None)
    size = input_size or getattr(backbone, 'img_size', None)
    if size is None:
        return [(32, 32), (224, 224)]
    return [(size, size) if isinstance(size, int) else tuple(size)]


def check_output(
    name, role, calls, output, image_size, option: str = 'local_modules'
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
    reason = why_no_map(output, image_size)
    if reason:
        kind = f'a {type(output).__name__}'
        if isinstance(output, torch.Tensor):
            kind = f'a tensor of shape {tuple(output.shape)}'
            if reason != 'no map':
                kind += f' ({reason})'
        raise SettingError(
            f"{option}: the {role}'s module '{name}' gives {kind}, "
            f'which the connector cannot align; name a module that gives one '
            f'map (N, C, H, W), or the tokens (N, L, C) of one.'
        )


def _is_in(name: str, member: int) -> bool:
    return name.split('.')[0] == f'teacher{member}'


def _check_order(names, order, role, option) -> None:
    """Raise if the modules are not listed in execution order."""
    for first, second in zip(names, names[1:]):
        if order.index(first) > order.index(second):
            raise SettingError(
                f"{option}: the {role}'s module '{second}' runs before "
                f"'{first}', but is listed behind it; list the modules from "
                f'the input to the output.'
            )
