"""Check whether a student can be cut after a module."""

from typing import Sequence, Union

from torch import nn

from ..errors import SettingError
from ..tracing.autograd_graph import GraphRun, graph_run
from ..tracing.blocks import blocks_of
from ..tracing.dry_run import check_output
from ..tracing.modules import find_modules
from ..tracing.token_maps import as_map


def check_boundaries(
    model: nn.Module,
    names: Sequence[str],
    role: str = 'student',
    input_size: Union[int, Sequence[int], None] = None,
) -> None:
    """Raise if information bypasses a boundary.

    After the boundaries, the student must depend on what precedes them only
    through their maps. Otherwise, as inside a residual block, gradients would
    go around the cut and the modules would not be local. What bypasses one
    boundary may pass through another: maps of several levels, which a neck
    joins, can be cut off together.

    Source: ours.

    Args:
        model (nn.Module): A model of MMEngine (``mode='tensor'``).
        names (Sequence[str]): The modules after which the model is cut.
        role (str): ``'student'`` or ``'teacher'``, for the messages.
        input_size (int | tuple, optional): As in :func:`dry_run`.

    Raises:
        SettingError: If a module is unknown, doesn't output one map once, or
            is bypassed.
    """
    if not names:
        return
    find_modules(model, names, role)
    run = graph_run(model, role, input_size, names)
    for name in names:
        output = run.outputs.get(name)
        check_output(name, role, run.calls[name], output, run.image_size)
        if name not in run.edges:
            raise SettingError(
                f"local_modules: the {role}'s module '{name}' gives a map "
                f'without a graph, so that no gradient could reach what is '
                f'before it; {_advice(model, run, name)}.'
            )
    for name in names:
        passing = set(run.bypasses(name, names))
        if passing:
            ways = [key for key in run.edges if run.edges[key] in passing]
            way, advice = '', _advice(model, run, name)
            if not any(run.sees[node] for node, _ in passing):
                way = (
                    ': a tensor that parameters alone make, such as a '
                    'position bias that blocks share, and whose own graph '
                    'only one of the modules could have'
                )
            elif ways:
                way = f", from '{ways[0]}'"
                # The outermost module that outputs this map.
                edge = run.edges[ways[0]]
                level = [key for key in ways if run.edges[key] == edge][-1]
                known = f"'{level}'" in advice
                if not known and _cuts_together(run, [*names, level]):
                    advice = f"cut behind '{level}' as well, or {advice}"
            raise SettingError(
                f"local_modules: the {role} can't be cut behind '{name}', "
                f'since information passes around it{way}; {advice}.'
            )


def _cuts_together(run: GraphRun, names: Sequence[str]) -> bool:
    """Check whether modules output one map each, and none is bypassed."""
    return all(
        run.calls[name] == 1
        and as_map(run.outputs[name], run.image_size) is not None
        and not run.bypasses(name, names)
        for name in names
    )


def _advice(model, run: GraphRun, name: str) -> str:
    """Advise cutting after the blocks nearest to a module."""
    order = list(run.outputs)
    place = order.index(name)
    cuts = [block.name for block in blocks_of(model, run) if block.can_cut]
    before = [cut for cut in cuts if order.index(cut) < place][-1:]
    behind = [cut for cut in cuts if order.index(cut) > place][:1]
    if not cuts:
        return 'leave local_modules empty, it has no block to cut behind'
    return 'write ' + ' or '.join(f"'{cut}'" for cut in before + behind)
