"""Sums over all images, accumulated batch by batch in float64."""

from typing import Optional

import torch


class CrossProduct:
    r"""The product of two sets of centred features over many batches.

    .. math::
        \sum_i (x_i - \bar{x}) (y_i - \bar{y})^T

    The means are over all samples, and unknown before the last batch. Each
    batch is centred by its own means, and a term for the difference of the
    means is added (Chan, Golub and LeVeque, "Updating Formulae and a Pairwise
    Algorithm for Computing Sample Variances", 1979). This avoids subtracting
    large sums from each other, as in :math:`\sum x y^T - n \bar{x} \bar{y}^T`.

    It holds (D, E) numbers, for any number of samples.

    Attributes:
        count (int): Number of samples.
        x_mean (torch.Tensor): (D,), float64.
        y_mean (torch.Tensor): (E,), float64.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.analysis import CrossProduct
        >>> product = CrossProduct()
        >>> product.update(torch.tensor([[1.0]]), torch.tensor([[1.0]]))
        >>> product.update(torch.tensor([[3.0]]), torch.tensor([[5.0]]))
        >>> product.compute()
        tensor([[4.]], dtype=torch.float64)
    """

    def __init__(self) -> None:
        self.count = 0
        self.x_mean: Optional[torch.Tensor] = None
        self.y_mean: Optional[torch.Tensor] = None
        self._total: Optional[torch.Tensor] = None

    def update(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Add a batch.

        Args:
            x (torch.Tensor): Features (n, D), n of at least 1.
            y (torch.Tensor): Features (n, E) of the same samples.
        """
        x, y = x.double(), y.double()
        count = len(x)
        x_mean, y_mean = x.mean(0), y.mean(0)
        total = (x - x_mean).T @ (y - y_mean)
        if self.count == 0:
            self.count = count
            self.x_mean, self.y_mean, self._total = x_mean, y_mean, total
            return
        x_step, y_step = x_mean - self.x_mean, y_mean - self.y_mean
        share = count / (self.count + count)
        self._total += total
        self._total.addr_(x_step, y_step, alpha=self.count * share)
        self.x_mean = self.x_mean + share * x_step
        self.y_mean = self.y_mean + share * y_step
        self.count += count

    def compute(self) -> torch.Tensor:
        """Return the product over all samples so far, (D, E), float64."""
        return self._total
