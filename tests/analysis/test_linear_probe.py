"""The probe against scikit-learn's ridge regression."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from torch import nn

from mmrazor_lakd.analysis import RidgeProbe, probe_features
from mmrazor_lakd.analysis.linear_probe import has_relu


def digits():
    data = load_digits()
    # dead pixels, and one that never changes but isn't zero
    images = np.concatenate([data.data, np.full((1797, 1), 0.3)], 1)
    return torch.from_numpy(images).float(), torch.from_numpy(data.target)


def test_equals_scikit_learns():
    images, labels = digits()
    train, test = slice(0, 1000), slice(1000, None)
    probe = RidgeProbe(10, ridge=1e-2)
    for x, y in zip(images[train].split(300), labels[train].split(300)):
        probe.update(x, y)
    readout = probe.compute()
    found = images.double() @ readout.weight + readout.bias

    scaler = StandardScaler().fit(images[train].double())
    scaled = scaler.transform(images.double())[:, :-1]  # without the constant
    ridge = Ridge(alpha=1e-2 * 1000).fit(
        scaled[train], np.eye(10)[labels[train]]
    )
    expected = torch.from_numpy(ridge.predict(scaled))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    told = readout.predict(images[test])
    assert torch.equal(told, expected[test].argmax(1))
    assert (told == labels[test]).float().mean() > 0.85


def test_order_and_batches_do_not_matter():
    images, labels = digits()
    weights = []
    for size, order in ((1797, range(1797)), (100, range(1796, -1, -1))):
        probe = RidgeProbe(10)
        order = torch.tensor(list(order))
        for part in order.split(size):
            probe.update(images[part], labels[part])
        weights.append(probe.compute().weight)
    torch.testing.assert_close(*weights, rtol=0, atol=1e-9)


def test_what_never_changes_has_no_weight():
    """Though float32's rounding makes it seem to."""
    images, labels = digits()
    images[::2, -1] *= 1 + 1e-7
    probe = RidgeProbe(10)
    probe.update(images, labels)
    assert probe.compute().weight[-1].abs().max() == 0


def test_features_are_what_a_head_is_given():
    feature = torch.tensor([[[[-1.0, 3.0]], [[5.0, 1.0]]]])
    assert probe_features(feature).tolist() == [[1.5, 3.0]]


def test_maps_of_a_network_without_relus_keep_their_sign():
    """A transformer's classes may be told by negative values alone."""
    feature = torch.tensor([[[[-1.0, 3.0]], [[-5.0, -1.0]]]])
    assert probe_features(feature, rectified=False).tolist() == [[1.0, -3.0]]
    gelu, relu = (
        nn.Sequential(nn.Conv2d(3, 4, 1), one()) for one in (nn.GELU, nn.ReLU)
    )
    assert has_relu(relu) and not has_relu(gelu)
