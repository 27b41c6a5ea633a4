"""One forward pass with its graph: what depends on what, what is saved."""

from collections import Counter
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple, Union

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from .dry_run import find_image
from .modules import eval_mode, forward_hooks
from .records import tensors_in

# A tensor in the graph: number of the node that made it, and which of the
# node's outputs it is.
Edge = Tuple[int, int]


class GraphRun(NamedTuple):
    """What one forward pass of a model showed about its graph.

    Attributes:
        image_size (tuple): Height and width of the image.
        outputs (dict): Each module's output, in the order in which the
            modules ended.
        calls (Counter): How often each module ran.
        edges (dict): Where in the graph each module's output lies. Modules
            whose output is not one tensor with a graph are left out.
        ends (list): Where the tensors of the model's output lie.
        sources (list): For each node the tensors it was made from; none for
            a parameter or the image.
    """

    image_size: Tuple[int, int]
    outputs: Dict[str, Any]
    calls: Counter
    edges: Dict[str, Edge]
    ends: List[Edge]
    sources: List[List[Edge]]

    def bypasses(self, name: str, cuts: Sequence[str] = ()) -> List[Edge]:
        """Find what passes around a module's output.

        These are the tensors that the modules before it have made and that
        the model's output uses not only through this one. Parameters and
        images don't count: modules may share them.

        Args:
            name (str): A module of ``edges``.
            cuts (Sequence[str]): Other modules of ``edges`` behind which the
                model is cut too. Nothing passes through their outputs, and
                what they depend on counts as the model's output does: it
                learns from their losses.

        Returns:
            list: Empty where the model can be cut behind the module.
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
                if edge != cut and self.sources[node]:
                    passing.append(edge)
            elif node not in seen:
                seen.add(node)
                stack.extend(self.sources[node])
        return passing

    def _nodes_before(self, edge: Edge) -> set:
        """List the nodes that a tensor was made by, directly or not."""
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

    The pass is made in eval mode: like :func:`dry_run` it changes no weight,
    no gradient, no running statistic and no random number to come. The image
    requires a gradient, so that frozen stages are in the graph too.

    Args:
        model (nn.Module): A model of MMEngine (``mode='tensor'``).
        role (str): ``'student'`` or ``'teacher'``, for the messages.
        input_size (int | tuple, optional): As in :func:`dry_run`.
        cuts (Sequence[str]): Modules whose outputs are to be told from the
            same tensors elsewhere, such as an identity's from its input.

    Raises:
        SettingError: If the model doesn't take the image.
    """
    outputs: Dict[str, Any] = {}
    calls: Counter = Counter()
    tensors: Dict[str, Tuple] = {}

    def record(name):
        def hook(module, inputs, output):
            outputs.pop(name, None)
            if name in cuts and isinstance(output, torch.Tensor):
                output = output.clone()
            outputs[name] = output
            calls[name] += 1
            # At once: an operation in place would change the tensor's node.
            if isinstance(output, torch.Tensor) and output.requires_grad:
                tensors[name] = (output.grad_fn, output.output_nr)
            return output

        return hook

    image = find_image(model, role, input_size).requires_grad_()
    hooks = [
        (module, record(name))
        for name, module in model.named_modules()
        if name
    ]
    with forward_hooks(hooks), eval_mode(model), torch.enable_grad():
        result = model(image, mode='tensor')
    ends = [
        (tensor.grad_fn, tensor.output_nr)
        for tensor in tensors_in(result)
        if tensor.grad_fn is not None
    ]
    tensors = {name: pair for name, pair in tensors.items() if pair[0]}
    number, sources = _read_graph([*tensors.values(), *ends])
    return GraphRun(
        image_size=tuple(image.shape[-2:]),
        outputs=outputs,
        calls=calls,
        edges={name: (number[fn], nr) for name, (fn, nr) in tensors.items()},
        ends=[(number[fn], nr) for fn, nr in ends],
        sources=sources,
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
        names (list[str]): Modules that run once, in the order in which they
            run.
        role (str): ``'student'`` or ``'teacher'``, for the messages.
        input_size (int | tuple, optional): As in :func:`dry_run`.

    Returns:
        list[dict]: The storages (address: bytes) saved until the end of each
        module since the end of the one before it, then those saved behind
        the last one. A storage is in several where several save it.
        Parameters and buffers are left out; the image is in.
    """
    address = {
        _storage(tensor).data_ptr()
        for tensors in (model.parameters(), model.buffers())
        for tensor in tensors
    }
    saved: List[Dict[int, int]] = [{}]
    kept = []  # so that no address is used twice

    def pack(tensor):
        storage = _storage(tensor)
        kept.append(storage)
        if storage.data_ptr() not in address:
            saved[-1][storage.data_ptr()] = storage.nbytes()
        # There is no backward pass that would ask for the tensor.

    image = find_image(model, role, input_size)
    known = dict(model.named_modules())
    hooks = [(known[name], lambda *args: saved.append({})) for name in names]
    with forward_hooks(hooks), eval_mode(model), torch.enable_grad():
        with saved_tensors_hooks(pack, lambda nothing: nothing):
            model(image, mode='tensor')
    return saved


def _read_graph(ends: List[Tuple]) -> Tuple[Dict, List[List[Edge]]]:
    """Number the nodes of a graph and list what each was made from."""
    # The nodes are kept: Python's objects for them are made when asked for,
    # and are the same ones only while somebody holds them.
    number: Dict[Any, int] = {}
    nodes: List[Any] = []
    for node, _ in ends:
        if node not in number:
            number[node] = len(nodes)
            nodes.append(node)
    sources: List[List[Edge]] = []
    for node in nodes:  # which grows meanwhile
        sources.append([])
        for source, output_nr in node.next_functions:
            if source is None:
                continue
            if source not in number:
                number[source] = len(nodes)
                nodes.append(source)
            sources[-1].append((number[source], output_nr))
    return number, sources


def _storage(tensor: torch.Tensor):
    """Return a tensor's storage, under PyTorch 1.13's name or today's."""
    if hasattr(tensor, 'untyped_storage'):
        return tensor.untyped_storage()
    return tensor.storage()
