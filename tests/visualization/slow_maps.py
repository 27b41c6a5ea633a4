"""NDAM maps and their correlation by loops, from the formulas, in float64."""

import numpy as np
import torch


def slow_ndam(feature):
    """W = (mean + max of the 3x3 window) / 2 of the sum, over its mean.

    Args:
        feature (np.ndarray): One image's, (C, H, W).
    """
    channels, height, width = feature.shape
    summed = np.zeros((height, width))
    for channel in range(channels):
        for y in range(height):
            for x in range(width):
                summed[y, x] += max(feature[channel, y, x], 0.0)
    pooled = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            window = [
                summed[v, u]
                for v in range(max(y - 1, 0), min(y + 2, height))
                for u in range(max(x - 1, 0), min(x + 2, width))
            ]
            pooled[y, x] = 0.5 * sum(window) / len(window) + 0.5 * max(window)
    return pooled / (pooled.sum() / pooled.size)


def features_of(model, batch, name):
    """A module's features in a forward pass of the model in float64."""
    kept = []
    module = dict(model.named_modules())[name]
    hook = module.register_forward_hook(
        lambda module, inputs, output: kept.append(output.clone().numpy())
    )
    with torch.no_grad():
        model.double()(batch.double(), mode='tensor')
    model.float()
    hook.remove()
    return kept[0]


def slow_correlation(first, second):
    """Covariance over the product of the standard deviations."""
    a, b = first.ravel().tolist(), second.ravel().tolist()
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    cov = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b))
    var_a = sum((x - mean_a) ** 2 for x in a)
    var_b = sum((y - mean_b) ** 2 for y in b)
    return cov / (var_a * var_b) ** 0.5
