"""Find the modules of a model, set their mode, and attach hooks."""

from contextlib import contextmanager
from typing import Callable, Iterable, Iterator, List, Sequence, Tuple

from mmengine.model import is_model_wrapper
from torch import nn

from ..errors import SettingError, nearest

Hooks = Iterable[Tuple[nn.Module, Callable]]


def unwrap_model(model: nn.Module) -> nn.Module:
    """Unwrap a model from DistributedDataParallel."""
    return model.module if is_model_wrapper(model) else model


def find_modules(
    model: nn.Module,
    names: Sequence[str],
    role: str,
    option: str = 'local_modules',
) -> List[nn.Module]:
    """Get modules by name.

    Args:
        model (nn.Module): The model to search.
        names (Sequence[str]): Names as in ``model.named_modules()``.
        role (str): ``'student'`` or ``'teacher'``, for the messages.
        option (str): Where the names come from, for the messages.

    Raises:
        SettingError: If a name is not in the model.
    """
    known = dict(model.named_modules())
    for name in names:
        if not name or name not in known:
            raise SettingError(
                f"{option}: the {role} has no module '{name}'; the "
                f'nearest names are: {nearest(str(name), known)}.'
            )
    return [known[name] for name in names]


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Set a model to eval mode, and restore each module's mode on exit."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def forward_hooks(after: Hooks = (), before: Hooks = ()) -> Iterator[None]:
    """Attach forward hooks to modules, and remove them on exit.

    Args:
        after (Iterable): Pairs of a module and a hook, called with (module,
            inputs, output) after it has run. A return value that isn't None
            replaces the output.
        before (Iterable): Pairs of a module and a hook, called with (module,
            inputs) before it runs.
    """
    handles = [module.register_forward_hook(hook) for module, hook in after]
    handles += [
        module.register_forward_pre_hook(hook) for module, hook in before
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
