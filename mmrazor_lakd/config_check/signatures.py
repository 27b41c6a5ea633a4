"""Find the arguments of a class, if its signatures tell."""

import ast
import inspect
import textwrap
from functools import lru_cache
from typing import Any, FrozenSet, NamedTuple, Optional, Set

from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from torch import nn

KEYWORD_KINDS = (
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)


#: that of optimizers
DEFAULT_CONSTRUCTOR = 'DefaultOptimWrapperConstructor'
#: classes that pass their ``**kwargs`` to a function later
FORWARDED = {CheckpointHook: Runner.save_checkpoint}


class Arguments(NamedTuple):
    """The keyword arguments of a class.

    Attributes:
        names (frozenset[str]): All of them.
        required (frozenset[str]): Those without a default value.
        switches (frozenset[str]): Those that are True or False by default.
    """

    names: FrozenSet[str]
    required: FrozenSet[str]
    switches: FrozenSet[str] = frozenset()


@lru_cache(maxsize=None)
def arguments_of(cls: type) -> Optional[Arguments]:
    """Collect the arguments of a class and, through ``**kwargs``, its bases.

    Args:
        cls (type): The class.

    Returns:
        Arguments: None if the signatures don't tell, as for functions,
        decorated or builtin constructors, metaclasses with their own call,
        and ``**kwargs`` that go elsewhere than to ``super().__init__``.
    """
    if not inspect.isclass(cls) or cls.__new__ is not object.__new__:
        return None
    names: Set[str] = set()
    required: Set[str] = set()
    switches: Set[str] = set()
    for base in cls.__mro__:
        init = base.__dict__.get('__init__')
        if base in (object, nn.Module):  # no arguments, despite signatures
            return Arguments(*map(frozenset, (names, required, switches)))
        if init is None:
            continue
        if not inspect.isfunction(init) or hasattr(init, '__wrapped__'):
            return None
        parameters = list(inspect.signature(init).parameters.values())[1:]
        kinds = {parameter.kind for parameter in parameters}
        for parameter in parameters:
            if parameter.kind in KEYWORD_KINDS:
                # A base's argument may be passed by the class itself.
                if parameter.default is parameter.empty and base is cls:
                    required.add(parameter.name)
                if parameter.name not in names and isinstance(
                    parameter.default, bool
                ):
                    switches.add(parameter.name)
                names.add(parameter.name)
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            return Arguments(*map(frozenset, (names, required, switches)))
        if base in FORWARDED:
            names.update(parameters_of(FORWARDED[base]) - {'self'})
            return Arguments(*map(frozenset, (names, required, switches)))
        if not _hands_on(init):
            return None
    return None


def parameters_of(function) -> FrozenSet[str]:
    """List the keyword arguments in the signature of a class or function."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a builtin
        return frozenset()
    return frozenset(p.name for p in parameters if p.kind in KEYWORD_KINDS)


def _hands_on(init) -> bool:
    """Check whether ``**kwargs`` go only to ``super().__init__``."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(init)))
    except (OSError, SyntaxError, TypeError):
        return False
    function: Any = tree.body[0]
    name = function.args.kwarg.arg
    used = sum(
        isinstance(node, ast.Name) and node.id == name
        for node in ast.walk(tree)
    )
    passed_on = sum(
        isinstance(keyword.value, ast.Name) and keyword.value.id == name
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _is_super_init(node.func)
        for keyword in node.keywords
        if keyword.arg is None
    )
    return used == passed_on == 1


def _is_super_init(function: ast.expr) -> bool:
    """Check whether an expression is ``super().__init__``."""
    return (
        isinstance(function, ast.Attribute)
        and function.attr == '__init__'
        and isinstance(function.value, ast.Call)
        and isinstance(function.value.func, ast.Name)
        and function.value.func.id == 'super'
    )
