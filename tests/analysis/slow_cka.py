"""Linear CKA from the definition, in float64 and with centring matrices."""

import numpy as np


def slow_hsic(x, y):
    """HSIC of two sets of features (n, D) and (n, E), linear kernels.

    Kornblith et al. 2019, eq. 3: tr(K H L H) / (n - 1)^2.
    """
    n = len(x)
    kernels = []
    for features in (x, y):
        kernel = np.zeros((n, n))
        for i in range(n):
            for j in range(n):
                kernel[i, j] = np.dot(features[i], features[j])
        kernels.append(kernel)
    centring = np.eye(n) - np.ones((n, n)) / n
    product = kernels[0] @ centring @ kernels[1] @ centring
    return np.trace(product) / (n - 1) ** 2


def slow_cka(x, y):
    """Eq. 4 there."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    return slow_hsic(x, y) / np.sqrt(slow_hsic(x, x) * slow_hsic(y, y))
