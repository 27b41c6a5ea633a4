"""Factors that grow from 0 to 1 during training, or fall to 0."""

import logging
import math
from typing import Dict, Optional

from mmengine.logging import MessageHub, print_log

from ..errors import SettingError, check_number, is_number

LENGTHS = ('epochs', 'iters', 'fraction')


def warmup_factor(
    progress: Dict[str, int],
    epochs: Optional[float] = None,
    iters: Optional[int] = None,
    fraction: Optional[float] = None,
) -> float:
    """Compute the factor of a linear warm-up, from 0 to 1.

    One of ``epochs``, ``iters`` and ``fraction`` is given.

    Args:
        progress (dict): The progress of the training: ``epoch`` and ``iter``,
            both from 0, ``max_epochs`` and ``max_iters``. Without these the
            factor is 1.
        epochs (float, optional): Length in epochs; one step per epoch, the
            first of which is 1 / epochs.
        iters (int, optional): Length in iterations; one step per iteration.
        fraction (float, optional): Length as a fraction of the whole training;
            one step per iteration.

    Raises:
        SettingError: If the length is in epochs, but the training has only
            one.
    """
    return min(_elapsed(progress, epochs, iters, fraction), 1.0)


def _elapsed(
    progress: Dict[str, int],
    epochs: Optional[float] = None,
    iters: Optional[int] = None,
    fraction: Optional[float] = None,
) -> float:
    """Compute which part of the length is over after this step."""
    if 'iter' not in progress:
        return math.inf
    if epochs is None:
        length = iters or fraction * progress['max_iters']
        return (progress['iter'] + 1) / length
    if progress.get('max_epochs') == 1 and epochs > 1:
        raise SettingError(
            f'A warm-up of epochs={epochs} counts epochs, but this training '
            f'has one (a loop by iterations counts none); write iters=... or '
            f'fraction=1/12 in its place.'
        )
    return (progress['epoch'] + 1) / epochs


class Warmup:
    """The factor of a linear warm-up in the current training.

    The progress is read from MMEngine's MessageHub, which the Runner updates,
    in a resumed training too. Outside a Runner's training the factor is 1.

    Args:
        owner (str): Whose warm-up it is, for the message.
        lengths (dict): One of ``epochs``, ``iters`` and ``fraction``, see
            :func:`warmup_factor`.
        must_end (bool): Whether to raise at the start if the training ends
            before the warm-up does. Defaults to False: it is logged once.

    Raises:
        SettingError: If not exactly one length is given, or it is not
            positive, or a fraction is above 1.
    """

    def __init__(
        self, owner: str, lengths: Dict, must_end: bool = False
    ) -> None:
        given = lengths
        if isinstance(lengths, dict):
            given = {k: v for k, v in lengths.items() if v is not None}
        if not _is_one_length(given):
            raise SettingError(
                f'{owner} takes one positive length, epochs, iters or '
                f'fraction (at most 1), not {given or "none"}; write '
                f'fraction=0.5, for example, or leave it out.'
            )
        self.owner = owner
        self.lengths = given
        self.must_end = must_end
        self._warned = False

    def factor(self) -> float:
        """Compute the factor of this iteration."""
        return min(self._elapsed(), 1.0)

    def is_over(self) -> bool:
        """Check whether the length had ended before this iteration."""
        return self._elapsed() > 1

    def _elapsed(self) -> float:
        """Compute which part of the length is over after this iteration."""
        info = MessageHub.get_current_instance().runtime_info
        ((name, length),) = self.lengths.items()
        whole = info.get(f'max_{name}')
        ends_early = whole is not None and length > whole
        if ends_early and self.must_end:
            raise SettingError(
                f'{self.owner} has {name}={length}, but the training ends '
                f'after {whole}; write fraction=0.5 for its first half.'
            )
        elapsed = _elapsed(info, **self.lengths)
        if ends_early and not self._warned:
            self._warned = True
            print_log(
                f'{self.owner} has {name}={length}, but the training ends '
                f'after {whole}, before the loss has its whole weight; '
                f'{name}=None, fraction=1/12 is a length for any training.',
                logger='current',
                level=logging.WARNING,
            )
        return elapsed


def _is_one_length(given) -> bool:
    """Check whether exactly one length is given, and valid."""
    if not isinstance(given, dict) or len(given) != 1:
        return False
    ((name, value),) = given.items()
    return (
        name in LENGTHS
        and is_number(value)
        and value > 0
        and (name != 'fraction' or value <= 1)
    )


def check_decay(owner: str, start: Optional[float]) -> None:
    """Raise if the start of a decay is not a fraction of the training."""
    if start is not None:
        bounds: Dict = dict(minimum=0, below=1, example=0.625)
        check_number(owner, 'decay_from', start, **bounds)


def cosine_decay_factor(progress: Dict[str, int], start: float) -> float:
    """Compute the factor of a decay along a cosine, from 1 to 0.

    It falls from epoch to epoch, and from iteration to iteration in a training
    that has one epoch or counts none.

    Args:
        progress (dict): As for :func:`warmup_factor`.
        start (float): The fraction of the training after which it falls.
    """
    if 'iter' not in progress:
        return 1.0
    unit = 'epoch' if progress.get('max_epochs', 1) > 1 else 'iter'
    done = (progress[unit] + 1) / progress[f'max_{unit}s']
    return 0.5 + 0.5 * math.cos(math.pi * max(done - start, 0) / (1 - start))


def cosine_decay(start: Optional[float]) -> float:
    """Compute the factor of this iteration; 1 if there is no start."""
    if start is None:
        return 1.0
    info = MessageHub.get_current_instance().runtime_info
    return cosine_decay_factor(info, start)
