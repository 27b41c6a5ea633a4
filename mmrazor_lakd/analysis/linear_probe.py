"""Linear probes: what can be predicted from a map without further layers."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from .cross_product import CrossProduct

# Relative variation of a feature below which it counts as constant.
ROUNDING = 1e-6


def has_relu(model: nn.Module) -> bool:
    """Check whether a network's maps go through ReLUs.

    Transformers and ConvNeXt have none: the negative half of their maps says
    as much as the other.
    """
    return any(isinstance(m, (nn.ReLU, nn.ReLU6)) for m in model.modules())


def probe_features(
    feature: torch.Tensor, rectified: bool = True
) -> torch.Tensor:
    """Pool a map as the networks' own heads do.

    Args:
        feature (torch.Tensor): A map (N, C, H, W), before or after a ReLU.
        rectified (bool): Whether it is one of a network with ReLUs, see
            :func:`has_relu`. Defaults to True.

    Returns:
        torch.Tensor: The mean over the positions, after a ReLU where the
        network has some, (N, C).
    """
    feature = feature.float()
    return (feature.relu() if rectified else feature).mean((2, 3))


class LinearReadout(NamedTuple):
    """A linear classifier.

    Attributes:
        weight (torch.Tensor): (D, K), float64.
        bias (torch.Tensor): (K,), float64.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def predict(self, features: torch.Tensor) -> torch.Tensor:
        """Predict the class of each sample.

        Args:
            features (torch.Tensor): (N, D).

        Returns:
            torch.Tensor: (N,), int64.
        """
        return (features.double() @ self.weight + self.bias).argmax(1)


class RidgeProbe:
    r"""Ridge regression on one-hot classes.

    It has a closed-form solution, which depends neither on a learning rate nor
    on the order of the images:

    .. math::
        (X^T X / n + \lambda I) W = X^T Y / n

    with X the features, centred and divided by their standard deviation, and
    Y the classes, centred. The products are summed batch by batch, so that
    memory holds (D, D) and (D, K) numbers for any number of images.

    Source: linear probes are from Alain and Bengio, "Understanding
    intermediate layers using linear classifier probes", 2016; ridge regression
    instead of their logistic regression is ours.

    Args:
        num_classes (int): Number of classes, K.
        ridge (float): :math:`\lambda`. Defaults to 1e-3.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.analysis import RidgeProbe
        >>> probe = RidgeProbe(num_classes=2)
        >>> features = torch.tensor([[0.0], [0.1], [0.9], [1.0]])
        >>> probe.update(features, torch.tensor([0, 0, 1, 1]))
        >>> probe.compute().predict(torch.tensor([[0.2], [0.7]]))
        tensor([0, 1])
    """

    def __init__(self, num_classes: int, ridge: float = 1e-3) -> None:
        self.num_classes = num_classes
        self.ridge = ridge
        self._features = CrossProduct()
        self._classes = CrossProduct()

    def update(self, features: torch.Tensor, labels: torch.Tensor) -> None:
        """Add a batch.

        Args:
            features (torch.Tensor): (N, D).
            labels (torch.Tensor): (N,), int64.
        """
        self._features.update(features, features)
        self._classes.update(features, F.one_hot(labels, self.num_classes))

    def compute(self) -> LinearReadout:
        """Fit the classifier to all samples so far."""
        count = self._features.count
        covariance = self._features.compute() / count
        mean = self._features.x_mean
        deviation = covariance.diagonal().sqrt()
        # Variation that is only float32 rounding must not be scaled up.
        still = deviation <= ROUNDING * mean.abs()
        deviation = deviation.masked_fill(still, float('inf'))[:, None]
        system = covariance / (deviation * deviation.T)
        system.diagonal().add_(self.ridge)
        wanted = self._classes.compute() / count / deviation
        weight = torch.linalg.solve(system, wanted) / deviation
        bias = self._classes.y_mean - mean @ weight
        return LinearReadout(weight, bias)
