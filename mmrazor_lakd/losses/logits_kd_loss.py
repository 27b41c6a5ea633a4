"""MMRazor's logits KD and DIST, computed in float32."""

from typing import Union

import torch
from mmrazor.models.losses import DISTLoss, KLDivergence
from mmrazor.registry import MODELS

from ..errors import check_choice
from .checks import check_settings, check_shapes
from .logit_standardization import STANDARDIZE, standardize_logits
from .weighted_square import at_least_float32


@MODELS.register_module()
class LogitsKDLoss(KLDivergence):
    r"""Logits KD, MMRazor's :class:`KLDivergence` in float32.

    .. math::
        L = T^2 \frac{1}{N} \sum_n KL(softmax(z_T / T) || softmax(z_S / T))

    The formula is MMRazor's. A divergence is a small difference of large
    logarithms, though: for bfloat16 logits, MMRazor's rounds the logarithms to
    3 digits, and gives values that are several times too large or even
    negative. (Autocast on a GPU computes a softmax in float32; on a CPU it
    doesn't.)

    Source: Hinton et al., "Distilling the Knowledge in a Neural Network",
    arXiv 1503.02531, section 2; ``standardize``: :func:`standardize_logits`.

    Args:
        tau (float): The temperature T. Defaults to 1.0.
        reduction (str): As MMRazor's; ``'batchmean'`` is the formula.
            ``'mean'`` divides by the number of classes as well. Defaults to
            ``'batchmean'``.
        loss_weight (float): Weight of the loss. Defaults to 1.0.
        teacher_detach (bool): As MMRazor's. Defaults to True.
        standardize (bool | str): Whether the logits of each image are brought
            to mean 0 and standard deviation 1 first: as the ``'paper'`` has it
            (or True), or as its authors' ``'code'``. Defaults to False.

    Raises:
        SettingError: If tau is not above 0, the weight is below 0, or the
            reduction or standardize is unknown.

    Examples:
        >>> loss_kd = dict(type='LogitsKDLoss', tau=4.0, loss_weight=0.9)
    """

    def __init__(
        self,
        tau: float = 1.0,
        reduction: str = 'batchmean',
        loss_weight: float = 1.0,
        teacher_detach: bool = True,
        standardize: Union[bool, str] = False,
    ) -> None:
        name = type(self).__name__
        known = ('batchmean', 'mean', 'sum', 'none')
        check_choice(name, 'reduction', reduction, known)
        check_choice(name, 'standardize', standardize, STANDARDIZE)
        super().__init__(tau, reduction, loss_weight, teacher_detach)
        self.standardize = standardize
        check_settings(self)

    def forward(
        self, preds_S: torch.Tensor, preds_T: torch.Tensor
    ) -> torch.Tensor:
        """Compare logits (N, K); return a scalar in float32."""
        check_shapes(self, preds_S, preds_T)
        return super().forward(
            *(
                standardize_logits(at_least_float32(logits), self.standardize)
                for logits in (preds_S, preds_T)
            )
        )


def correlation(s_rows: torch.Tensor, t_rows: torch.Tensor) -> torch.Tensor:
    """Compute Pearson's correlation of rows, (N, D) and (N, D) to (N, ).

    A student's row that is constant but for rounding, as a head's of weight 0
    gives it, has a correlation of 0 and gets no gradient: MMRazor's, divided
    by 1e-8, is of the order of 1e7.
    """
    student = s_rows - s_rows.mean(1, keepdim=True)
    teacher = t_rows - t_rows.mean(1, keepdim=True)
    spread, size = student.detach(), s_rows.detach()
    constant = spread.norm(dim=1) <= 1e-6 * size.norm(dim=1)
    student = student.masked_fill(constant.unsqueeze(1), 0.0)
    lengths = student.norm(dim=1) * teacher.norm(dim=1)
    return (student * teacher).sum(1) / (lengths + 1e-8)


@MODELS.register_module()
class StrongerTeacherLoss(DISTLoss):
    r"""DIST, MMRazor's :class:`DISTLoss` in float32.

    .. math::
        L = T^2 (\beta (1 - \frac{1}{N} \sum_n \rho(p_S^n, p_T^n))
            + \gamma (1 - \frac{1}{K} \sum_k \rho(p_S^{:k}, p_T^{:k})))

    with :math:`\rho` Pearson's correlation: of the rows of the probabilities
    (N, K), between the classes, and of their columns, within a class. The
    formula is MMRazor's and that of the authors' code, which adds 1e-8 to the
    denominator: in float16 that is 0, so that MMRazor's gives 0 / 0 for equal
    logits, and in bfloat16 ``1 - rho`` has no correct digit where teacher and
    student agree.

    Source: Huang et al., "Knowledge Distillation from A Stronger Teacher",
    arXiv 2205.10536, equations 8 to 11.

    Args:
        inter_loss_weight (float): beta. Defaults to 1.0.
        intra_loss_weight (float): gamma. Defaults to 1.0.
        tau (float): The temperature T. Defaults to 1.0.
        loss_weight (float): Weight of the loss. Defaults to 1.0.
        teacher_detach (bool): As MMRazor's. Defaults to True.

    Raises:
        SettingError: If tau is not above 0, or a weight is below 0.

    Examples:
        >>> loss_dist = dict(type='StrongerTeacherLoss', loss_weight=2.0)
    """

    def __init__(
        self,
        inter_loss_weight: float = 1.0,
        intra_loss_weight: float = 1.0,
        tau: float = 1.0,
        loss_weight: float = 1.0,
        teacher_detach: bool = True,
    ) -> None:
        super().__init__(
            inter_loss_weight,
            intra_loss_weight,
            tau,
            loss_weight,
            teacher_detach,
        )
        check_settings(self)

    def forward(
        self, logits_S: torch.Tensor, logits_T: torch.Tensor
    ) -> torch.Tensor:
        """Compare logits (N, K); return a scalar in float32."""
        check_shapes(self, logits_S, logits_T)
        s_logits = at_least_float32(logits_S)
        t_logits = at_least_float32(logits_T)
        if self.teacher_detach:
            t_logits = t_logits.detach()
        rows = [(z / self.tau).softmax(1) for z in (s_logits, t_logits)]
        columns = [p.transpose(0, 1) for p in rows]
        inter = 1 - correlation(*rows).mean()
        intra = 1 - correlation(*columns).mean()
        loss = self.inter_loss_weight * inter + self.intra_loss_weight * intra
        return self.loss_weight * self.tau**2 * loss
