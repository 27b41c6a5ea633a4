"""The autograd graph of a forward pass: dependencies and saved tensors."""

from collections import Counter
from functools import partial
from typing import (
    Any,
    Callable,
    Dict,
    List,
    NamedTuple,
    Sequence,
    Set,
    Tuple,
    Union,
)

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from .dry_run import find_pass
from .modules import forward_hooks
from .passes import run_model, run_training_losses, unchanged
from .records import storage_of, tensors_in
from .token_maps import map_tensor, with_tensor

# A tensor in the graph: the index of the node that produced it, and which of
# the node's outputs it is.
Edge = Tuple[int, int]
# Whatever is looked at is part of the features.
FEATURES = ('backbone',)


class GraphRun(NamedTuple):
    """The recorded graph of one forward pass.

    Attributes:
        image_size (tuple): Height and width of the image.
        outputs (dict): Each module's output, in the order in which the
            modules finished.
        calls (Counter): How often each module ran.
        edges (dict): Position of each module's output in the graph. Modules
            whose output is not a map with a graph are left out.
        ends (list): Positions of the tensors of the model's output, or of
            its losses.
        sources (list): For each node, the tensors it was computed from; none
            for a parameter or the image.
        trains (list): For each node, whether a gradient there would reach a
            parameter; not within frozen stages.
        sees (list): For each node, whether it was computed from the image;
            others were from parameters alone.
    """

    image_size: Tuple[int, int]
    outputs: Dict[str, Any]
    calls: Counter
    edges: Dict[str, Edge]
    ends: List[Edge]
    sources: List[List[Edge]]
    trains: List[bool]
    sees: List[bool]

    def bypasses(self, name: str, cuts: Sequence[str] = ()) -> List[Edge]:
        """Find the tensors that bypass a module's output.

        These are computed before the module, and the model's output depends
        on them other than through the module's output. Parameters and images
        don't count: modules may share them. Neither do maps of frozen stages
        before a module that isn't, since no gradient would train anything.

        Args:
            name (str): A module of ``edges``.
            cuts (Sequence[str]): Other modules of ``edges`` after which the
                model is cut too. Nothing passes through their outputs, and
                what they depend on counts as the model's output does, since
                it learns from their losses.

        Returns:
            list: Empty if the model can be cut after the module.
        """
        cut = self.edges[name]
        before = self._nodes_before(cut)
        others = {self.edges[other] for other in cuts if other != name}
        passing, seen, stack = [], set(), list(self.ends)
        for node, _ in others:
            if node not in before:
                stack += self.sources[node]
        while stack:
            edge = stack.pop()
            node = edge[0]
            if edge in others:
                continue
            if node in before:
                matters = self.trains[node] or not self.trains[cut[0]]
                if edge != cut and self.sources[node] and matters:
                    passing.append(edge)
            elif node not in seen:
                seen.add(node)
                stack.extend(self.sources[node])
        return passing

    def _nodes_before(self, edge: Edge) -> set:
        """Return the nodes that a tensor depends on, directly or not."""
        seen, stack = {edge[0]}, [edge[0]]
        while stack:
            for node, _ in self.sources[stack.pop()]:
                if node not in seen:
                    seen.add(node)
                    stack.append(node)
        return seen


def graph_run(
    model: nn.Module,
    role: str,
    input_size: Union[int, Sequence[int], None] = None,
    cuts: Sequence[str] = (),
) -> GraphRun:
    """Run a model once and record its graph.

    The pass is run in eval mode: like :func:`dry_run` it changes no weight,
    gradient, running statistic or random state. The image requires a
    gradient, so that frozen stages are in the graph too.

    What ends the graph are the losses of detectors and segmentors, so that
    auxiliary heads count, and the output of other models; of models whose
    heads can't be run on an image alone, it is the features.

    Args:
        model (nn.Module): A model of MMEngine (``mode='tensor'``).
        role (str): ``'student'`` or ``'teacher'``, for the messages.
        input_size (int | tuple, optional): As in :func:`dry_run`.
        cuts (Sequence[str]): Modules whose outputs must be distinguished from
            the same tensors elsewhere, such as an identity's from its input.

    Raises:
        SettingError: If the model doesn't take the image.
    """
    outputs: Dict[str, Any] = {}
    calls: Counter = Counter()
    tensors: Dict[str, Tuple] = {}

    def record(name):
        def hook(module, inputs, output):
            outputs.pop(name, None)
            tensor = map_tensor(output)
            if name in cuts and tensor is not None:
                tensor = tensor.clone()
                output = with_tensor(output, tensor)
            outputs[name] = output
            calls[name] += 1
            if tensor is None and isinstance(output, torch.Tensor):
                tensor = output
            # Read now: a later in-place operation would change the node.
            if tensor is not None and tensor.requires_grad:
                tensors[name] = (tensor.grad_fn, tensor.output_nr)
            return output

        return hook

    image, _ = find_pass(model, role, input_size, FEATURES)
    image.requires_grad_()
    hooks = [
        (module, record(name))
        for name, module in model.named_modules()
        if name
    ]

    def forget():
        for found in (outputs, calls, tensors):
            found.clear()

    with forward_hooks(hooks), torch.enable_grad():
        result = _run_to_the_end(model, image, forget)
    ends = [
        (tensor.grad_fn, tensor.output_nr)
        for tensor in tensors_in(result)
        if tensor.grad_fn is not None
    ]
    tensors = {name: pair for name, pair in tensors.items() if pair[0]}
    number, sources = _read_graph([*tensors.values(), *ends])
    trained = {
        place
        for node, place in number.items()
        if getattr(node, 'variable', image) is not image
    }
    seen = {
        place
        for node, place in number.items()
        if getattr(node, 'variable', None) is image
    }
    return GraphRun(
        image_size=tuple(image.shape[-2:]),
        outputs=outputs,
        calls=calls,
        edges={name: (number[fn], nr) for name, (fn, nr) in tensors.items()},
        ends=[(number[fn], nr) for fn, nr in ends],
        sources=sources,
        trains=_reached_from(trained, sources),
        sees=_reached_from(seen, sources),
    )


def saved_bytes(
    model: nn.Module,
    names: List[str],
    role: str,
    input_size: Union[int, Sequence[int], None] = None,
) -> List[Dict[int, int]]:
    """Measure what autograd saves for the backward pass of one image.

    Args:
        model (nn.Module): A model of MMEngine (``mode='tensor'``).
        names (list[str]): Modules that run once, in execution order.
        role (str): ``'student'`` or ``'teacher'``, for the messages.
        input_size (int | tuple, optional): As in :func:`dry_run`.

    Returns:
        list[dict]: See :func:`saved_in`; the image is included.
    """
    image, _ = find_pass(model, role, input_size, FEATURES)
    return saved_in(
        model, names, lambda forget: _run_to_the_end(model, image, forget)
    )


def saved_in(
    model: nn.Module,
    names: Sequence[str],
    run: Callable[[Callable[[], None]], Any],
) -> List[Dict[int, int]]:
    """Measure what autograd saves for the backward pass of a run.

    Args:
        model (nn.Module): The model.
        names (Sequence[str]): Modules that run once, in execution order.
        run (Callable): Runs it. It gets a function to call before each
            attempt but the first.

    Returns:
        list[dict]: The storages (address: bytes) saved between the end of
        the previous module and the end of each module, then those saved after
        the last one. A storage saved several times is in several dicts.
        Parameters and buffers are left out.
    """
    address = {
        storage_of(tensor).data_ptr()
        for tensors in (model.parameters(), model.buffers())
        for tensor in tensors
    }
    saved: List[Dict[int, int]] = [{}]
    kept = []  # so that no address is used twice

    def pack(tensor):
        storage = storage_of(tensor)
        kept.append(storage)
        if storage.data_ptr() not in address:
            saved[-1][storage.data_ptr()] = storage.nbytes()
        # No backward pass will need the tensor.

    known = dict(model.named_modules())
    hooks = [(known[name], lambda *args: saved.append({})) for name in names]

    def forget():
        saved[:] = [{}]
        kept.clear()

    with forward_hooks(hooks), torch.enable_grad():
        with saved_tensors_hooks(pack, lambda nothing: nothing):
            run(forget)
    return saved


def _run_to_the_end(
    model: nn.Module, image: torch.Tensor, forget: Callable[[], None]
) -> Any:
    """Run a model to its losses, its output or its features.

    ``forget`` is called before each attempt, since an earlier one may have
    failed half-way.
    """
    passes: List[Callable] = [
        run_training_losses,
        run_model,
        partial(run_model, names=FEATURES),
    ]
    for forward in passes:
        forget()
        try:
            with unchanged(model):
                return forward(model, image)
        except Exception as error:  # of the model, maybe the user's own
            reason = error
    raise reason


def _read_graph(ends: List[Tuple]) -> Tuple[Dict, List[List[Edge]]]:
    """Number the nodes of a graph and list what each was computed from."""
    # Keep references to the nodes: PyTorch creates their Python objects on
    # demand, and reuses them only while they are alive.
    number: Dict[Any, int] = {}
    nodes: List[Any] = []
    for node, _ in ends:
        if node not in number:
            number[node] = len(nodes)
            nodes.append(node)
    sources: List[List[Edge]] = []
    for node in nodes:  # which grows in the loop
        sources.append([])
        for source, output_nr in node.next_functions:
            if source is None:
                continue
            if source not in number:
                number[source] = len(nodes)
                nodes.append(source)
            sources[-1].append((number[source], output_nr))
    return number, sources


def _reached_from(leaves: Set[int], sources: List[List[Edge]]) -> List[bool]:
    """Return for each node whether it depends on one of the leaves."""
    used_by: List[List[int]] = [[] for _ in sources]
    for node, edges in enumerate(sources):
        for source, _ in edges:
            used_by[source].append(node)
    reached = set(leaves)
    stack = list(leaves)
    while stack:
        for node in used_by[stack.pop()]:
            if node not in reached:
                reached.add(node)
                stack.append(node)
    return [node in reached for node in range(len(sources))]
