"""MMRazor's logits KD and DIST, computed in float32."""

from typing import Union

import torch
from mmrazor.models.losses import DISTLoss, KLDivergence
from mmrazor.registry import MODELS

from ..errors import check_choice
from .checks import check_settings
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
        return super().forward(
            *(
                standardize_logits(at_least_float32(logits), self.standardize)
                for logits in (preds_S, preds_T)
            )
        )


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
        return super().forward(
            at_least_float32(logits_S), at_least_float32(logits_T)
        )
