"""Made settings of losses and connectors."""

import inspect

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from loss_calls import (
    call_of,
    make_loss,
    make_pair,
    registered_losses,
    run_loss,
)
from made import NUMBERS, ODD, fine_or_refused, made

from mmrazor_lakd.connectors import (
    BridgeConnector,
    HintConnector,
    LocalModuleConnector,
    MarginConnector,
    ReviewConnector,
)

#: right values of arguments whose type doesn't tell them
CHOICES = dict(
    normalize=['variance', 'none', 'mean', 'softmax'],
    scale=['variance', 'none'],
    reduction=['element', 'instance', 'mean', 'batchmean', 'sum', 'none'],
    mode=['weight', 'match'],
    activation=['relu', 'abs', 'none'],
    standardize=[True, False, 'paper', 'code'],
    loss=[dict(type='LogitsKDLoss'), dict(type='KLDivergence', tau=4.0)],
)


def values_of(parameter: inspect.Parameter):
    """Draw a right or wrong value of an argument."""
    right = CHOICES.get(parameter.name, [])
    if parameter.default is not parameter.empty:
        right = [*right, parameter.default]
    odd = ODD
    if parameter.name == 'loss':  # another module is refused by its mapping
        odd = ODD.filter(lambda value: not isinstance(value, dict))
    drawn = [odd, NUMBERS]
    return st.one_of(*([st.sampled_from(right)] if right else []), *drawn)


def options_of(cls):
    """Draw some of the arguments of a class."""
    parameters = inspect.signature(cls).parameters
    return st.fixed_dictionaries(
        {},
        optional={
            name: values_of(p)
            for name, p in parameters.items()
            if p.kind is not p.VAR_KEYWORD
        },
    )


def is_ordinary(value) -> bool:
    """Check whether no number in a setting is tiny or huge."""
    if isinstance(value, (list, tuple)):
        return all(map(is_ordinary, value))
    if isinstance(value, dict):
        return is_ordinary(list(value.values()))
    if isinstance(value, (int, float)) and value:
        return 1e-3 < abs(value) < 1e3
    return True


@pytest.mark.parametrize('name', list(registered_losses()))
@made(150)
@given(data=st.data())
def test_losses(name, data):
    """Finite, with finite gradients, or refused when it is made or called."""
    call_of(name)
    options = data.draw(options_of(registered_losses()[name]))
    with fine_or_refused():
        loss = make_loss(name, **options)
        value, grad = run_loss(name, loss, *make_pair(name))
        if value.isfinite().all() or is_ordinary(options):
            assert value.isfinite().all() and grad.isfinite().all()


SIDES = st.one_of(st.integers(1, 9), st.integers(-1, 1), NUMBERS)
SHAPES = st.one_of(
    st.tuples(*[st.integers(1, 9)] * 3),
    st.tuples(*[SIDES] * 3),
    st.lists(SIDES, max_size=4),
    ODD,
)


def check_output(connector, in_shape, out_shape):
    """Check that a connector gives what it promises, on ordinary maps."""
    connector.train()
    feature = torch.randn(2, *in_shape, requires_grad=True)
    output = connector(feature)
    assert tuple(output.shape) == (2, *out_shape)
    (grad,) = torch.autograd.grad(output.sum(), feature)
    assert output.isfinite().all() and grad.isfinite().all()


@made(300)
@given(SHAPES, SHAPES)
def test_hint_connector(in_shape, out_shape):
    with fine_or_refused():
        check_output(HintConnector(in_shape, out_shape), in_shape, out_shape)


@made(300)
@given(SHAPES, SHAPES, st.one_of(st.booleans(), ODD))
def test_bridge_connector(in_shape, out_shape, activate):
    with fine_or_refused():
        connector = BridgeConnector(in_shape, out_shape, activate)
        check_output(connector, in_shape, out_shape)


@made(150)
@given(st.one_of(SIDES, ODD), st.one_of(SIDES, ODD))
def test_local_module_connector(width, out_width):
    with fine_or_refused():
        connector = LocalModuleConnector(width, out_width)
        check_output(connector, (width, 4, 3), (out_width, 4, 3))


class Teacher(torch.nn.Sequential):
    """A teacher of a single layer."""

    def forward(self, image, mode):
        return super().forward(image)


@made(150)
@given(SHAPES, SHAPES, st.one_of(st.none(), st.just('0'), ODD))
def test_margin_connector(in_shape, out_shape, norm):
    with fine_or_refused():
        connector = MarginConnector(in_shape, out_shape, norm)
        teacher = Teacher(torch.nn.BatchNorm2d(in_shape[0])).eval()
        image = torch.zeros(1, *in_shape)
        connector.prepare_from_teacher(teacher, '0', image)
        output = connector(torch.randn(2, *in_shape))
        assert tuple(output.shape) == (2, in_shape[0], *out_shape[1:])


@made(300)
@given(
    st.one_of(st.lists(SHAPES, max_size=3), ODD),
    st.one_of(st.lists(SHAPES, max_size=3), ODD),
    st.one_of(st.just(512), NUMBERS, ODD),
)
def test_review_connector(in_shapes, out_shapes, most):
    with fine_or_refused():
        connector = ReviewConnector(in_shapes, out_shapes, most)
        maps = [torch.randn(2, *shape) for shape in in_shapes]
        for output, shape in zip(connector(maps), out_shapes):
            assert tuple(output.shape) == (2, *shape)
            assert output.isfinite().all()
