"""Linear CKA: similarity of two maps, whatever the order of their channels."""

from typing import List, Sequence

import torch
import torch.nn.functional as F

from .cross_product import CrossProduct


def cells(feature: torch.Tensor, grid: int = 4) -> torch.Tensor:
    """Turn a feature map into the samples that CKA compares.

    The map is averaged over the cells of a grid, and each cell is a sample
    whose features are its channels. So two maps of different sizes have the
    same samples. Of the ways to turn a map into features

    - the whole map as one vector would be widest: 16,384 numbers for
      16 channels of 32x32, and products of 2 GiB;
    - the average over all positions loses where something is;
    - positions as samples keep the width at the number of channels. The
      grid makes maps of all sizes comparable, and the number of samples the
      same.

    Source: ours.

    Args:
        feature (torch.Tensor): A map (N, C, H, W).
        grid (int): Cells in a row and in a column. A map with fewer positions
            repeats them. Defaults to 4.

    Returns:
        torch.Tensor: (N * grid * grid, C), float32 or float64.
    """
    if feature.dtype in (torch.float16, torch.bfloat16):
        feature = feature.float()
    averages = F.adaptive_avg_pool2d(feature, grid)
    return averages.permute(0, 2, 3, 1).flatten(0, 2)


class LinearCKA:
    r"""Linear CKA of every map of one list with every map of another.

    .. math::
        \frac{\|X^T Y\|_F^2}{\|X^T X\|_F \, \|Y^T Y\|_F}

    with X and Y the centred features of all samples. It is 1 for maps that
    differ by an orthogonal transformation of their channels and a scale, and 0
    for maps whose channels are uncorrelated.

    The three products are summed batch by batch, so that the result equals
    that of all samples at once, up to float64 rounding: within 1e-9, for
    features whose mean is up to 1000 times their standard deviation. (The
    average CKA of batches is another quantity, and too high.) The products
    take 8 bytes for each pair of a channel in one list and a channel in the
    other, and for each pair of channels in one map, for any number of samples.

    This is the biased estimate: with n samples, independent maps of D and E
    channels have a CKA of about sqrt(D E) / n.

    Source: Kornblith et al., "Similarity of Neural Network Representations
    Revisited", ICML 2019, section 3 and eq. 4 with linear kernels. The sums
    over batches are ours.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.analysis import LinearCKA
        >>> cka = LinearCKA()
        >>> for _ in range(10):  # batches
        ...     x = torch.randn(64, 8)
        ...     cka.update([x], [x, -2 * x])
        >>> cka.compute()
        tensor([[1., 1.]], dtype=torch.float64)
    """

    def __init__(self) -> None:
        self._across = CrossProduct()
        self._rows: List[CrossProduct] = []
        self._columns: List[CrossProduct] = []

    def update(
        self, rows: Sequence[torch.Tensor], columns: Sequence[torch.Tensor]
    ) -> None:
        """Add a batch.

        Args:
            rows (Sequence[torch.Tensor]): Features of R maps, (n, D_r).
            columns (Sequence[torch.Tensor]): Features of the same samples
                in C maps, (n, E_c).
        """
        if not self._rows:
            self._rows = [CrossProduct() for _ in rows]
            self._columns = [CrossProduct() for _ in columns]
        self._across.update(
            torch.cat(list(rows), 1), torch.cat(list(columns), 1)
        )
        for products, features in (
            (self._rows, rows),
            (self._columns, columns),
        ):
            for product, feature in zip(products, features):
                product.update(feature, feature)

    def compute(self) -> torch.Tensor:
        """Compute the CKA of all samples so far.

        Returns:
            torch.Tensor: (R, C), float64, each from 0 to 1; nan for a map
            that is zero for all samples.
        """
        sizes = [
            [len(product.compute()) for product in products]
            for products in (self._rows, self._columns)
        ]
        across = torch.stack(
            [
                torch.stack(
                    [block.square().sum() for block in row.split(sizes[1], 1)]
                )
                for row in self._across.compute().split(sizes[0])
            ]
        )
        norms = [
            torch.stack([product.compute().norm() for product in products])
            for products in (self._rows, self._columns)
        ]
        # 0 / 0 is nan, as it should be.
        return across / (norms[0][:, None] * norms[1])


def linear_cka(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Compute the linear CKA of all samples at once.

    Args:
        x (torch.Tensor): Features (n, D).
        y (torch.Tensor): Features (n, E) of the same samples.

    Returns:
        torch.Tensor: A scalar; see :class:`LinearCKA`.
    """
    cka = LinearCKA()
    cka.update([x], [y])
    return cka.compute()[0, 0]
