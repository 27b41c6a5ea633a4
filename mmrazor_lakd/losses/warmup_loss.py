"""A loss whose weight grows from 0 at the start of training."""

from functools import partial, update_wrapper
from typing import Callable, Dict, Optional

import torch
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError
from .warmup import Warmup


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
        if not isinstance(loss, dict) or 'type' not in loss:
            raise SettingError(
                f'WarmupLoss has loss={loss!r}; write the config of a loss, '
                f"loss=dict(type='DecoupledKDLoss')."
            )
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
