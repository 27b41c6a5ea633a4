"""A loss whose weight grows from 0 while training begins."""

from functools import partial, update_wrapper
from typing import Callable, Dict, Optional

import torch
from mmengine.logging import MessageHub
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError


def warmup_factor(
    progress: Dict[str, int],
    epochs: Optional[float] = None,
    iters: Optional[int] = None,
    fraction: Optional[float] = None,
) -> float:
    """Compute the weight of a loss in a linear warm-up, from 0 to 1.

    One of ``epochs``, ``iters`` and ``fraction`` is given.

    Args:
        progress (dict): What is known of the training: ``epoch`` and
            ``iter``, both from 0, ``max_epochs`` and ``max_iters``. Without
            these the factor is 1.
        epochs (float, optional): Length in epochs; one step an epoch, whose
            first is 1 / epochs.
        iters (int, optional): Length in iterations; one step an iteration.
        fraction (float, optional): Length as a part of the whole training;
            one step an iteration.

    Raises:
        SettingError: If epochs are to be counted where there is only one.
    """
    if 'iter' not in progress:
        return 1.0
    if epochs is None:
        length = iters or fraction * progress['max_iters']
        return min((progress['iter'] + 1) / length, 1.0)
    if progress.get('max_epochs') == 1 and epochs > 1:
        raise SettingError(
            f'WarmupLoss(epochs={epochs}) counts epochs, but this training '
            f'has one (a loop by iterations counts none); write iters=... or '
            f'fraction=1/12 in its place.'
        )
    return min((progress['epoch'] + 1) / epochs, 1.0)


@MODELS.register_module()
class WarmupLoss(nn.Module):
    """Multiplies a loss by a factor that grows linearly to 1.

    It wraps any loss of a distiller, MMRazor's or ours, and takes the same
    arguments. How far the training is it reads from MMEngine's MessageHub,
    which the Runner keeps, also when a training is resumed. Outside of a
    Runner's training the factor is 1.

    Source: DKD and ReviewKD have ``min(epoch / 20, 1)``. Epochs are counted
    from 1, as in mdistiller; ReviewKD's own code counts from 0.

    Args:
        loss (dict): Config of the loss.
        epochs (float, optional): Length of the warm-up in epochs; one step an
            epoch. Needs a loop by epochs.
        iters (int, optional): Length in iterations; one step an iteration.
        fraction (float, optional): Length as a part of the whole training,
            such as 1/12 (20 of 240 epochs); one step an iteration. Suits
            every budget and every loop.

    Raises:
        SettingError: If not exactly one length is given, or it is not
            positive, or a fraction is above 1.

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
        lengths = dict(epochs=epochs, iters=iters, fraction=fraction)
        given = {k: v for k, v in lengths.items() if v is not None}
        good = len(given) == 1 and all(
            isinstance(v, (int, float)) and v > 0 for v in given.values()
        )
        if not good or (fraction or 0) > 1:
            raise SettingError(
                f'WarmupLoss takes one positive length, epochs, iters or '
                f'fraction (at most 1), not {given or "none"}; write '
                f'epochs=20, or leave the wrapper out for no warm-up.'
            )
        self.loss = MODELS.build({'_scope_': 'mmrazor', **loss})
        self.lengths = lengths

    def extra_repr(self) -> str:
        """Say the length."""
        return ', '.join(f'{k}={v}' for k, v in self.lengths.items() if v)

    @property
    def forward(self) -> Callable:
        """Callable: The loss's forward, with its signature.

        MMRazor's distillers compare their mappings with that signature.
        """
        return update_wrapper(partial(self._scaled), self.loss.forward)

    def _scaled(self, *args, **kwargs) -> torch.Tensor:
        """Compute the loss times the factor of this iteration."""
        hub = MessageHub.get_current_instance()
        factor = warmup_factor(hub.runtime_info, **self.lengths)
        return factor * self.loss(*args, **kwargs)
