"""Every loss of the package on numbers that aren't ordinary.

For each the behaviour is defined: finite, or not finite and thus refused by
DivergenceHook, or one sentence. A new loss needs a row in loss_calls.py.
"""

import math

import pytest
import torch
from loss_calls import (
    CALLS,
    CLASSES,
    call_of,
    make_loss,
    make_pair,
    registered_losses,
    run_loss,
)

from mmrazor_lakd import SettingError

pytestmark = pytest.mark.usefixtures('no_training_under_way')

NAMES = list(registered_losses())
DTYPES = [torch.float32, torch.float16, torch.bfloat16]
#: a loss of 1e4 times the map's largest number, squared, isn't finite
HUGE = [1e10, 1e18, 1e25, 1e38, 3.3e38]

each_loss = pytest.mark.parametrize('name', NAMES)
each_dtype = pytest.mark.parametrize('dtype', DTYPES, ids=str)


def run(name, s, t, dtype=torch.float32, labels=None):
    return run_loss(name, make_loss(name), s.to(dtype), t.to(dtype), labels)


def assert_finite(value, grad):
    assert value.isfinite().all()
    assert grad.isfinite().all()


@each_loss
def test_a_registered_loss_has_a_row(name):
    call_of(name)


def test_no_row_is_left_over():
    assert not set(CALLS) - set(NAMES)


@each_loss
@each_dtype
@pytest.mark.parametrize('constant', ['student', 'teacher', 'both'])
@pytest.mark.parametrize('number', [0.0, 1.0, -2.0])
def test_constant_maps(name, dtype, constant, number):
    """A teacher's is refused in the first step of a training, by check_map."""
    s, t = make_pair(name)
    if constant != 'teacher':
        s = torch.full_like(s, number)
    if constant != 'student':
        t = torch.full_like(t, number)
    assert_finite(*run(name, s, t, dtype))


@each_loss
@each_dtype
@pytest.mark.parametrize('images, size', [(1, None), (5, 1), (1, 1)])
def test_one_image_and_maps_of_one_element(name, dtype, images, size):
    assert_finite(*run(name, *make_pair(name, images, size), dtype))


@each_loss
@pytest.mark.parametrize('dtype', DTYPES[1:], ids=str)
@pytest.mark.parametrize('scale', [1.0, 300.0])
def test_half_precision_is_computed_in_float32(name, dtype, scale):
    """The value, and the gradient up to its own rounding."""
    s, t = ((scale * x).to(dtype) for x in make_pair(name))
    value, grad = run(name, s, t, dtype)
    expected, expected_grad = run(name, s.float(), t.float())
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, expected, rtol=1e-2, atol=1e-4)
    largest = expected_grad.abs().max().item()
    assert largest < torch.finfo(dtype).max
    torch.testing.assert_close(
        grad.float(), expected_grad, rtol=0.1, atol=1e-2 * largest + 1e-7
    )


@each_loss
@pytest.mark.parametrize('huge', ['student', 'teacher', 'both'])
@pytest.mark.parametrize('number', HUGE)
def test_huge_maps_are_right_or_not_finite(name, huge, number):
    """An overflow isn't hidden as a finite number that is wrong."""
    pair = [x / x.abs().max() for x in make_pair(name)]
    scales = dict(student=(number, 1), teacher=(1, number))
    s, t = (k * x for k, x in zip(scales.get(huge, (number, number)), pair))
    value, grad = run(name, s, t)
    if not value.isfinite().all():
        return  # refused by DivergenceHook
    assert grad.isfinite().all()
    loss = make_loss(name).double()
    expected, _ = run_loss(name, loss, s.double(), t.double())
    torch.testing.assert_close(value.double(), expected, rtol=1e-2, atol=1e-3)


@each_loss
@each_dtype
@pytest.mark.parametrize('where', ['student', 'teacher'])
@pytest.mark.parametrize('all_of_it', [False, True])
def test_nan_stays_nan(name, dtype, where, all_of_it):
    s, t = make_pair(name)
    changed = s if where == 'student' else t
    changed.view(-1)[slice(None) if all_of_it else slice(3, 4)] = math.nan
    value, _ = run(name, s, t, dtype)
    assert not value.isfinite().all()


@each_loss
@pytest.mark.parametrize('where', ['student', 'teacher'])
def test_infinity_is_not_hidden(name, where):
    s, t = make_pair(name)
    (s if where == 'student' else t).view(-1)[3] = math.inf
    value, grad = run(name, s, t)
    assert not (value.isfinite().all() and grad.isfinite().all())


@pytest.mark.parametrize('name', [n for n in CALLS if CALLS[n].labels])
@pytest.mark.parametrize('label', [CLASSES, -1, 255, 2**40])
def test_labels_out_of_range(name, label):
    s, t = make_pair(name)
    labels = torch.tensor([0, 1, label, 2, 3])
    with pytest.raises(SettingError, match=rf'{name}.*{label}.*{CLASSES}'):
        run(name, s, t, labels=labels)


@pytest.mark.parametrize('name', [n for n in CALLS if CALLS[n].labels])
@pytest.mark.parametrize('dtype', [torch.int32, torch.uint8])
def test_labels_of_any_integer_type(name, dtype):
    s, t = make_pair(name)
    labels = torch.tensor([0, 1, 3, 2, 3])
    expected = run(name, s, t, labels=labels)
    torch.testing.assert_close(
        run(name, s, t, labels=labels.to(dtype)), expected
    )


@pytest.mark.parametrize('name', [n for n in CALLS if not CALLS[n].unequal])
@pytest.mark.parametrize('kept', [slice(0, 1), slice(0, 2)])
@pytest.mark.parametrize('side', [0, 1])
@pytest.mark.parametrize('axis', [0, 1, -1])
def test_unequal_shapes_are_refused(name, kept, side, axis):
    """A side of one would be repeated, in silence."""
    pair = make_pair(name)
    index = [slice(None)] * pair[0].dim()
    index[axis] = kept
    pair[side] = pair[side][tuple(index)]
    if axis == -1 and side in CALLS[name].smaller:
        assert_finite(*run(name, *pair))
        return
    with pytest.raises(SettingError):
        run(name, *pair)


@pytest.mark.parametrize('name', [n for n in CALLS if CALLS[n].unequal])
@pytest.mark.parametrize('kept', [1, 2])
@pytest.mark.parametrize('side', [0, 1])
def test_unequal_batches_are_refused(name, kept, side):
    pair = make_pair(name)
    pair[side] = pair[side][:kept]
    with pytest.raises(SettingError):
        run(name, *pair)
