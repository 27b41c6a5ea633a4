"""Losses whose weight changes during training."""

from functools import partial, update_wrapper
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

import torch
from mmengine.logging import MessageHub
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError, is_number
from .warmup import Warmup


def _check_config(loss: Any, owner: str, example: str) -> None:
    """Raise if what should be wrapped isn't the config of a loss."""
    if not isinstance(loss, dict) or 'type' not in loss:
        raise SettingError(
            f'{owner} has loss={loss!r}; write the config of a loss, '
            f"loss=dict(type='{example}')."
        )


@MODELS.register_module()
class WarmupLoss(nn.Module):
    """Multiplies a loss by a factor that grows linearly to 1.

    It wraps any loss of a distiller, MMRazor's or ours, and takes the same
    arguments. Outside a Runner's training the factor is 1, see
    :class:`~mmrazor_lakd.losses.warmup.Warmup`.

    Source: DKD and ReviewKD use ``min(epoch / 20, 1)``. Epochs are counted
    from 1, as in mdistiller; ReviewKD's own code counts from 0.

    Args:
        loss (dict): Config of the loss.
        epochs (float, optional): Length of the warm-up in epochs; one step per
            epoch. Needs an epoch-based loop.
        iters (int, optional): Length in iterations; one step per iteration.
        fraction (float, optional): Length as a fraction of the whole training,
            such as 1/12 (20 of 240 epochs); one step per iteration. Suits any
            budget and any loop.

    Raises:
        SettingError: If not exactly one length is given, or it is not
            positive, or a fraction is above 1, or ``loss`` is no config.

    Examples:
        >>> loss_dkd = dict(
        ...     type='WarmupLoss', epochs=20, loss=dict(type='DecoupledKDLoss')
        ... )
    """

    def __init__(
        self,
        loss: Dict,
        epochs: Optional[float] = None,
        iters: Optional[int] = None,
        fraction: Optional[float] = None,
    ) -> None:
        super().__init__()
        _check_config(loss, 'WarmupLoss', 'DecoupledKDLoss')
        lengths = dict(epochs=epochs, iters=iters, fraction=fraction)
        self.warmup = Warmup('WarmupLoss', lengths)
        self.loss = MODELS.build({'_scope_': 'mmrazor', **loss})

    def extra_repr(self) -> str:
        """Return the length."""
        return ', '.join(f'{k}={v}' for k, v in self.warmup.lengths.items())

    @property
    def forward(self) -> Callable:
        """Callable: The loss's forward, with its signature.

        MMRazor's distillers check their mappings against that signature.
        """
        return update_wrapper(partial(self._scaled), self.loss.forward)

    def _scaled(self, *args, **kwargs) -> torch.Tensor:
        """Compute the loss times the factor of this iteration."""
        return self.warmup.factor() * self.loss(*args, **kwargs)


def step_factor(
    progress: Dict[str, int], steps: Sequence[Tuple[float, float]]
) -> float:
    """Return the factor of the last step that has begun.

    Args:
        progress (dict): The progress of the training: ``iter``, from 0, and
            ``max_iters``. Without these the factor is 1.
        steps (Sequence[tuple[float, float]]): Of each step, the fraction of
            the training at which it begins, and its factor.
    """
    if 'iter' not in progress:
        return 1.0
    done = progress['iter'] / progress['max_iters']
    return [factor for begin, factor in steps if begin <= done][-1]


@MODELS.register_module()
class SteppedLoss(WarmupLoss):
    """Multiplies a loss by a factor that changes at points of the training.

    It wraps any loss of a distiller, as :class:`WarmupLoss` does. Outside a
    Runner's training the factor is 1.

    Source: the authors' code of NORM.

    Args:
        loss (dict): Config of the loss.
        steps (Sequence[tuple[float, float]]): Of each step, the fraction of
            the training at which it begins, and its factor. The first begins
            at 0.

    Raises:
        SettingError: If a step isn't two numbers, a factor is below 0, or the
            fractions don't rise from 0 and stay below 1.

    Examples:
        >>> loss_norm = dict(
        ...     type='SteppedLoss',
        ...     steps=[(0, 0.1), (1 / 24, 0.5), (1 / 12, 1.0)],
        ...     loss=dict(type='RepresentationMatchingLoss'),
        ... )
    """

    def __init__(
        self, loss: Dict, steps: Sequence[Tuple[float, float]]
    ) -> None:
        nn.Module.__init__(self)
        _check_config(loss, 'SteppedLoss', 'RepresentationMatchingLoss')
        if not _are_steps(steps):
            raise SettingError(
                f'SteppedLoss has steps={steps!r}; write a list of (fraction '
                f'of the training, factor) whose fractions rise from 0 and '
                f'stay below 1, such as [(0, 0.1), (0.5, 1.0)].'
            )
        self.steps = [(begin, factor) for begin, factor in steps]
        self.loss = MODELS.build({'_scope_': 'mmrazor', **loss})

    def extra_repr(self) -> str:
        """Return the steps."""
        return f'steps={self.steps}'

    def _scaled(self, *args, **kwargs) -> torch.Tensor:
        """Compute the loss times the factor of this iteration."""
        info = MessageHub.get_current_instance().runtime_info
        return step_factor(info, self.steps) * self.loss(*args, **kwargs)


def _are_steps(steps) -> bool:
    """Check whether something is a list of steps."""
    if not isinstance(steps, (list, tuple)) or not all(
        isinstance(step, (list, tuple)) and len(step) == 2 for step in steps
    ):
        return False
    if not all(is_number(value) for step in steps for value in step):
        return False
    begins = [begin for begin, _ in steps]
    rising = all(a < b for a, b in zip(begins, [*begins[1:], 1]))
    return begins[:1] == [0] and rising and all(f >= 0 for _, f in steps)
