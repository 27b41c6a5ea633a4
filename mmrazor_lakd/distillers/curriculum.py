"""From simple to complex: what changes during training."""

from typing import Dict, Optional, Sequence, Union

import torch

from ..errors import SettingError, check_choice
from ..losses import Warmup


def opening(progress: float, index: int, count: int) -> float:
    r"""Compute the weight of a module's loss while the modules open.

    .. math:: w_i = \min(\max(L p - i, 0), 1), \quad i = 0, ..., L - 1

    The first grows from 0 to 1 in the first of :math:`L` equal parts of the
    opening, the second in the second part, and so on to the deepest.

    Source: ours. The paper names "progressive interaction training", from
    simple to complex; its rule is not known.

    Args:
        progress (float): How much of the opening is over, from 0 to 1.
        index (int): The module, from 0, the one at the input.
        count (int): The number of modules that open.
    """
    return min(max(count * progress - index, 0.0), 1.0)


def mixture(
    s_feature: torch.Tensor, t_feature: torch.Tensor, share: float
) -> torch.Tensor:
    """Mix two maps of the same shape (N, C, H, W) element by element.

    Source: ours.

    Args:
        s_feature (torch.Tensor): The student's map.
        t_feature (torch.Tensor): The teacher's map. It is never returned
            itself, since a layer of the student may overwrite its input.
        share (float): Share of the student's map, from 0 to 1.
    """
    t_feature = (1 - share) * t_feature.to(s_feature.dtype)
    return torch.add(t_feature, s_feature, alpha=share)


class Curriculum:
    """The parts of :class:`LAKDDistiller` that depend on the iteration.

    Lengths are given as for :class:`~mmrazor_lakd.losses.Warmup`: a dict with
    one of ``epochs``, ``iters`` and ``fraction`` (of the whole training).

    Args:
        progressive (dict, optional): Length of the opening, in which the
            weight of each module's loss grows, see :func:`opening`. The
            gradients of a module that is not open are 0, but weight decay
            still acts on it, and its batch normalisation updates its
            statistics. The last module, after the last boundary, has no such
            weight. None for no weights at all.
        feed (str | dict): ``'student'`` or ``'teacher'``, whose map is passed
            on at each boundary in training; or the length of a mixture, see
            :func:`mixture`, in which the student's share grows from 0 to 1.
            The teacher's map must be of the same kind, such as
            ``layer1.preact`` for ``layer1.preact``: whatever follows the
            boundary, such as a ReLU, acts on the mixture. Without a cut, the
            gradient from later modules is multiplied by the student's share.
        local_phase (dict, optional): Length of the phase in which the modules
            are local; then the student is trained end to end. None for the
            whole training. Defaults to None.
    """

    def __init__(
        self,
        progressive: Optional[Dict],
        feed: Union[str, Dict],
        local_phase: Optional[Dict] = None,
    ) -> None:
        owner = 'LAKDDistiller'
        self._opening: Optional[Warmup] = None
        if progressive is not None:
            self._opening = Warmup(
                f'{owner}.progressive', progressive, must_end=True
            )
        self._local: Optional[Warmup] = None
        if local_phase is not None:
            self._local = Warmup(
                f'{owner}.local_phase', local_phase, must_end=True
            )
        self._turning: Optional[Warmup] = None
        if isinstance(feed, dict):
            self._turning = Warmup(f'{owner}.feed', feed, must_end=True)
        else:
            check_choice(owner, 'feed', feed, ('student', 'teacher'))
        # Whether the teacher's map is passed on, alone or in a mixture.
        self.feeds = feed != 'student'
        # Whether the training ends with the student as a whole.
        self.has_phases = local_phase is not None

    def check_effect(self, taught: Sequence[bool]) -> None:
        """Raise if a setting has no effect.

        Args:
            taught (Sequence[bool]): Whether each boundary has a loss.

        Raises:
            SettingError: If there are no boundaries, or no loss that opens.
        """
        opens = self._opening is not None
        given = dict(
            progressive=opens, feed=self.feeds, local_phase=self.has_phases
        )
        for name, is_given in given.items():
            if is_given and not taught:
                raise SettingError(
                    f'LAKDDistiller has {name}, but no boundary that it '
                    f'could act on; name some in local_modules, or leave '
                    f'{name} out.'
                )
        if opens and not any(taught):
            raise SettingError(
                'LAKDDistiller has progressive, but no local module has a '
                'loss whose weight could grow; give one a feature_loss, an '
                'attention_loss or a classifier_loss, or leave progressive '
                'out.'
            )

    def is_local(self) -> bool:
        """Check whether the modules are local in this iteration."""
        return self._local is None or not self._local.is_over()

    def weight(self, index: int, count: int) -> Optional[float]:
        """Compute the weight of a module's loss; None if it is constant."""
        if self._opening is None:
            return None
        return opening(self._opening.factor(), index, count)

    def share(self) -> float:
        """Compute the student's share of the maps that are passed on."""
        return 0.0 if self._turning is None else self._turning.factor()
