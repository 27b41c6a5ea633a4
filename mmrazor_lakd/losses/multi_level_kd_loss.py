"""MLKD: logits compared image by image, within a batch and between classes."""

from typing import Sequence, Tuple

import torch
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError, check_choice, check_number
from .batch_similarity_loss import gram
from .checks import check_settings, check_shapes
from .decoupled_kd_loss import divergence
from .weighted_square import at_least_float32

MODES = ('paper', 'code')
#: temperatures at which the code compares the weak views twice
ONLY_WEAK = (2.0, 6.0)


def prediction_levels(
    s_logits: torch.Tensor, t_logits: torch.Tensor, tau: float
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    r"""Compare the predictions of a batch at three levels.

    With P the softmax at a temperature of T, (N, K):

    .. math::
        L_{instance} = \frac{T^2}{N} \sum_n KL(P_T^n || P_S^n), \quad
        L_{batch} = \frac{1}{N} ||P_T P_T^\top - P_S P_S^\top||_F^2, \quad
        L_{class} = \frac{1}{K} ||P_T^\top P_T - P_S^\top P_S||_F^2

    Args:
        s_logits (torch.Tensor): The student's logits, (N, K).
        t_logits (torch.Tensor): The teacher's, (N, K).
        tau (float): The temperature T.

    Returns:
        tuple[torch.Tensor, torch.Tensor, torch.Tensor]: The three, scalars.
    """
    student = (s_logits / tau).log_softmax(1)
    teacher = (t_logits / tau).log_softmax(1)
    p_s, p_t = student.exp(), teacher.exp()
    images, classes = p_s.shape
    instance = tau**2 * divergence(student, teacher).mean()
    batch = (gram(p_t) - gram(p_s)).square().sum() / images
    between = (gram(p_t.t()) - gram(p_s.t())).square().sum() / classes
    return instance, batch, between


def uncertain_shares(
    t_logits: torch.Tensor,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Compute by how much the code lowers the losses of the weak views.

    It multiplies each loss of the whole batch by a mask of the images, or
    classes, of which the teacher is not surer than of the median one, and
    takes the mean, so that a share of the loss is left: half of it or more,
    for there may be several like the median one.

    Args:
        t_logits (torch.Tensor): The teacher's logits, (N, K).

    Returns:
        tuple[torch.Tensor, torch.Tensor]: The shares of images and classes.
    """
    chances = t_logits.softmax(1)
    images, classes = (
        (sure <= sure.quantile(0.5)).to(chances.dtype).mean()
        for sure in (chances.amax(1), chances.sum(0))
    )
    return images, classes


def multi_level_kd(
    s_logits: torch.Tensor,
    t_logits: torch.Tensor,
    taus: Sequence[float] = (2.0, 3.0, 4.0, 5.0, 6.0),
    mode: str = 'code',
    class_weight: float = 1.0,
) -> torch.Tensor:
    """Compute the loss of multi-level logit distillation.

    Args:
        s_logits (torch.Tensor): The student's logits of two views of N
            images, (2N, K), those of the weak augmentation first.
        t_logits (torch.Tensor): The teacher's, (2N, K). They get no gradient.
        taus (Sequence[float]): The temperatures, which are summed over.
        mode (str): ``'paper'`` sums :func:`prediction_levels` of both views.
            ``'code'`` compares batch and classes of the weak views alone; of
            these, all three levels are multiplied by
            :func:`uncertain_shares`; and at temperatures of 2 and 6 it
            compares the weak views again in place of the strong ones.
        class_weight (float): Weight of the classes' level beside the others.

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 logits).
    """
    student = at_least_float32(s_logits).chunk(2)
    teacher = at_least_float32(t_logits).detach().chunk(2)
    images, classes = uncertain_shares(teacher[0])
    losses = []
    for tau in taus:
        weak, strong = (
            (instance, batch, class_weight * between)
            for s, t in zip(student, teacher)
            for instance, batch, between in [prediction_levels(s, t, tau)]
        )
        if mode == 'paper':
            losses += [*weak, *strong]
            continue
        losses += [images * weak[0], images * weak[1], classes * weak[2]]
        losses.append(weak[0] if tau in ONLY_WEAK else strong[0])
    return torch.stack(losses).sum()


@MODELS.register_module()
class MultiLevelKDLoss(nn.Module):
    """MLKD: predictions compared by image, within a batch, between classes.

    It takes batches of two views of each image, which
    :class:`~mmrazor_lakd.datasets.BatchViews` and ``views_collate`` make.

    Source: Jin et al., "Multi-Level Logit Distillation", CVPR 2023, and its
    code, which differs: see :func:`multi_level_kd`.

    Args:
        taus (Sequence[float]): The temperatures. Defaults to 2, 3, 4, 5 and 6.
        mode (str): ``'paper'`` or ``'code'``. Defaults to ``'code'``, of
            which the published figures are.
        loss_weight (float): Weight of the loss. Defaults to 0.9.
        class_weight (float): Weight of the classes' level beside the others.
            That level grows with N^2 / K. Defaults to 1.0, of which the
            published figures are, for 64 images and 100 classes.

    Raises:
        SettingError: If a temperature is not above 0, a weight is below 0,
            or the mode is unknown; in the first step, if the second half of
            a batch doesn't have the labels of the first.

    Examples:
        >>> loss_mlkd = dict(type='MultiLevelKDLoss', loss_weight=0.9)
    """

    def __init__(
        self,
        taus: Sequence[float] = (2.0, 3.0, 4.0, 5.0, 6.0),
        mode: str = 'code',
        loss_weight: float = 0.9,
        class_weight: float = 1.0,
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        check_choice(owner, 'mode', mode, MODES)
        if not isinstance(taus, (list, tuple)) or not taus:
            raise SettingError(
                f'{owner} has taus={taus!r}; write a list of temperatures, '
                f'such as [2.0, 4.0].'
            )
        for tau in taus:
            check_number(owner, 'taus', tau, above=0, example=4.0)
        self.taus = taus
        self.mode = mode
        self.loss_weight = loss_weight
        check_number(owner, 'class_weight', class_weight, minimum=0)
        self.class_weight = class_weight
        check_settings(self)
        self._checked = False

    def forward(
        self,
        preds_S: torch.Tensor,
        preds_T: torch.Tensor,
        gt_labels: torch.Tensor,
    ) -> torch.Tensor:
        """Compare logits (2N, K) and (2N, K); return a scalar.

        Args:
            preds_S (torch.Tensor): The student's logits.
            preds_T (torch.Tensor): The teacher's.
            gt_labels (torch.Tensor): Labels (2N, ) or soft labels (2N, K).
        """
        check_shapes(self, preds_S, preds_T)
        if not self._checked:  # comparing them makes a GPU wait
            half = (len(gt_labels) + 1) // 2
            if not torch.equal(gt_labels[:half], gt_labels[half:]):
                raise SettingError(
                    f'{type(self).__name__} compares two views of each image, '
                    f'the second half of a batch with the first, but their '
                    f'labels differ; write the train_dataloader of '
                    f'configs/_base_/distillers/mlkd.py.'
                )
            self._checked = True
        loss = multi_level_kd(
            preds_S, preds_T, self.taus, self.mode, self.class_weight
        )
        return self.loss_weight * loss
