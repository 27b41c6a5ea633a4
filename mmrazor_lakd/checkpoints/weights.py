"""Find the weights in a file, whoever saved it."""

import http.client
import re
from typing import Any, Dict, Iterator, List

import torch
from mmengine.logging import print_log
from torch import Tensor

from ..errors import SettingError
from ..safe_loading import cached_file

# Keys of the weights in a checkpoint: the trained ones, which take precedence,
# and running averages of them.
PLAIN = ('state_dict', 'model', 'net', 'model_state_dict')
AVERAGED = ('ema_state_dict', 'state_dict_ema', 'model_ema', 'ema')
# Counters that torch.optim.swa_utils and MMEngine's EMAHook add to averages.
COUNTERS = ('n_averaged', 'steps')


def take_weights(
    found: object, name: str, says_which: bool = True
) -> Dict[str, Tensor]:
    """Extract the weights of a network from the contents of a file.

    They are the contents themselves, or under one of :data:`PLAIN` or
    :data:`AVERAGED`. Of several sets, the first in this order is returned,
    and this is logged. What DistributedDataParallel, ``torch.compile`` and
    running averages add to the names is removed.

    Args:
        found (object): Contents of the file.
        name (str): The file's name, for the messages.
        says_which (bool): Whether to log which of several sets is taken.
            Defaults to True.

    Returns:
        dict[str, Tensor]: The weights.

    Raises:
        SettingError: If there are none.
    """
    holder = found if isinstance(found, dict) else {}
    sets = [
        key
        for key in (*PLAIN, *AVERAGED)
        if isinstance(holder.get(key), dict) and holder[key]
    ]
    if not sets and not _are_weights(found):
        held = type(found).__name__
        if holder:
            held = f'the keys {few(list(holder))}'
        raise SettingError(
            f'{name} has no state dict, but {held}; a state dict is '
            f'expected, or one under {", ".join(map(repr, PLAIN[:-1]))} or '
            f'{PLAIN[-1]!r}.'
        )
    weights = holder[sets[0]] if sets else holder
    if not _are_weights(weights):
        others = [
            f'{key} ({type(value).__name__})'
            for key, value in weights.items()
            if not isinstance(value, Tensor)
        ]
        raise SettingError(
            f'{name} holds under {sets[0]!r} not only tensors, but also '
            f"{few(others)}; save a network's state_dict() there."
        )
    if says_which and (len(sets) > 1 or sets and sets[0] in AVERAGED):
        print_log(
            f'Of the sets of weights in {name} ({", ".join(sets)}), '
            f'{sets[0]!r} is taken.',
            logger='current',
        )
    return _unwrap(weights)


def _are_weights(found: object) -> bool:
    """Check whether something is a non-empty state dict."""
    if not isinstance(found, dict) or not found:
        return False
    # A module's get_extra_state() need not return a tensor.
    return all(
        isinstance(key, str)
        and (isinstance(value, Tensor) or key.endswith('_extra_state'))
        for key, value in found.items()
    )


def _unwrap(weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
    """Remove what wrappers add to the names."""
    if any('_orig_mod.' in key for key in weights):
        weights = {k.replace('_orig_mod.', ''): v for k, v in weights.items()}
    own = [key for key in weights if key not in COUNTERS]
    while own and all(key.startswith('module.') for key in own):
        weights = {key[len('module.') :]: weights[key] for key in own}
        own = [key for key in weights if key not in COUNTERS]
    return weights


def part_of(state_dict: Dict, prefix: str) -> Dict[str, torch.Tensor]:
    """Select the weights with a prefix, and remove the prefix."""
    return {
        key[len(prefix) :]: value
        for key, value in state_dict.items()
        if key.startswith(prefix)
    }


def compare_keys(
    expected: Dict[str, torch.Size], found: Dict[str, Tensor]
) -> Dict[str, Dict[str, str]]:
    """List how weights differ from those of a network.

    BN's counters may be missing: they are saved only since PyTorch 0.4.1, and
    don't affect the output.

    Args:
        expected (dict[str, torch.Size]): The shapes of the network's weights.
        found (dict[str, Tensor]): The weights to compare.

    Returns:
        dict[str, dict[str, str]]: For each kind of difference, the weights'
        names and what to append to them in a message.
    """
    return {
        'missing': {
            name: ''
            for name in expected
            if name not in found and 'num_batches_tracked' not in name
        },
        'unexpected': {name: '' for name in found if name not in expected},
        'of another shape': {
            name: f' {tuple(found[name].shape)} for {tuple(shape)}'
            for name, shape in expected.items()
            if name in found and found[name].shape != shape
        },
    }


def holds_numbers(found: Tensor, own: Tensor) -> bool:
    """Check whether a weight could be copied without a loss but of digits.

    Args:
        found (Tensor): The weight from a file.
        own (Tensor): The network's.

    Returns:
        bool: False if it has no data, is sparse or quantized, or holds
        integers or complex numbers in the place of real ones.
    """
    fits = found.is_floating_point() or not own.is_floating_point()
    return fits and found.layout == torch.strided and not found.is_meta


def describe_tensor(tensor: Tensor) -> str:
    """Describe the kind of a tensor, such as ``a float32 tensor``."""
    kind = str(tensor.dtype).replace('torch.', '')
    if tensor.is_meta:
        kind = 'an empty (meta)'
    elif tensor.layout != torch.strided:
        kind = f'a sparse {kind}'
    else:
        kind = f'a {kind}'
    return f'{kind} tensor'


def explain_unreadable(name: str, error: Exception) -> SettingError:
    """Explain in one sentence why weights could not be read.

    Args:
        name (str): The name of the file or address, for the message.
        error (Exception): The error from reading it; unpickling garbage can
            raise anything.

    Returns:
        SettingError: The error to raise.
    """
    text = str(error).strip()
    reason = text.split('\n')[0].split('. ')[0] or type(error).__name__
    unsafe = re.search(
        r'(?:nsupported (?:global: )?(?:GLOBAL|class)|got <class) '
        r"'?([\w.]+)",
        text,
    )
    if unsafe:
        return SettingError(
            f'{name} was refused, because beside weights it holds '
            f'{unsafe[1]}, and reading that could run code; give a file of '
            f'weights only (of RepDistiller ckpt_epoch_240.pth, not '
            f'*_last.pth), or, if you trust it, save its weights alone with '
            f'torch.save(torch.load(OLD, weights_only=False)[KEY], NEW).'
        )
    if isinstance(error, AttributeError) or (
        isinstance(error, ImportError) and '://' not in name
    ):
        # torch < 2.6 imports any class that the file names.
        return SettingError(
            f'{name} holds more than weights, of a class that is not known '
            f'here ({reason}); save its weights alone where it was written.'
        )
    if isinstance(error, (PermissionError, IsADirectoryError)):
        return SettingError(f"{name} can't be read: {error.strerror}.")
    if '://' in name and isinstance(
        error, (OSError, http.client.HTTPException, KeyError, ImportError)
    ):
        return SettingError(
            f"{name} can't be fetched ({type(error).__name__}: {reason}); "
            f'check the address and the network, or give the path of a file '
            f'(*.pth).'
        )
    cure = 'copy or train it anew'
    address = re.search(r"https?://[^']+", name)
    if address:
        cure = (
            f"remove '{cached_file(address[0])}', as which it was fetched, "
            f'and it is fetched anew'
        )
    return SettingError(
        f'{name} is truncated or no checkpoint of PyTorch ({reason}); {cure}.'
    )


def not_finite(state: Any, name: str = '') -> Iterator[str]:
    """Yield the names of the tensors that contain NaN or infinity.

    Args:
        state (dict | list | Tensor): Weights, or the state of an optimizer.
        name (str): Name of ``state`` itself. Defaults to none.

    Yields:
        str: A name such as ``optimizer.state.3.momentum_buffer``.
    """
    if isinstance(state, Tensor):
        floating = state.is_floating_point() or state.is_complex()
        if floating and not torch.isfinite(state).all():
            yield name
    elif isinstance(state, (dict, list, tuple)):
        items = state.items() if isinstance(state, dict) else enumerate(state)
        for key, value in items:
            yield from not_finite(value, f'{name}.{key}' if name else str(key))


def few(names: List[str]) -> str:
    """Join the first names of a list."""
    return ', '.join(map(str, names[:3])) + (', ...' if names[3:] else '')
