"""The bare loop: a lower bound for the time of a distillation."""

import copy
import inspect
from collections import OrderedDict
from contextlib import contextmanager
from typing import Dict, Iterator, Optional

import torch
from torch import nn
from torch.nn import functional

from ...algorithms.teacher_fusion.fuse import memory_format
from ...losses.local_classifier_loss import targets_of


class BareLoop:
    """Trains copies of the same networks and does nothing else.

    One step is the teacher's forward pass without gradients, the student's
    with its cross-entropy, the backward pass and the optimizer's step, all on
    one batch that is already preprocessed. A student that is no classifier
    has its own losses instead. There is no data loading, no distillation
    loss, no hook and no log. A teacher that the algorithm later fuses or
    truncates is used as the config describes it.

    The copies are made on construction, before training changes the networks.

    Args:
        model (nn.Module): An algorithm of MMRazor's with a teacher and an
            architecture, or a model without a teacher, which is then the
            student.
    """

    def __init__(self, model: nn.Module) -> None:
        teacher = getattr(model, 'teacher', None)
        self.teacher: Optional[nn.Module] = None
        if teacher is not None:
            self.teacher = copy_bare(teacher)
            self.teacher.eval()
        self.student = copy_bare(getattr(model, 'architecture', model))
        self.student.train()

    def prepare(self, model: nn.Module, optim_wrapper, batch: Dict) -> None:
        """Take over the conditions of the current training.

        Args:
            model (nn.Module): The model that was copied.
            optim_wrapper (OptimWrapper): Source of the optimizer's type and
                settings, and of the precision.
            batch (dict): A preprocessed batch, with ``inputs``, shape
                (N, C, H, W), and ``data_samples``.
        """
        self.layout = memory_format(
            getattr(model, 'architecture', model), batch['inputs']
        )
        for network in (self.teacher, self.student):
            if network is not None:
                network.to(memory_format=self.layout)
        self.context = optim_wrapper.optim_context
        optimizer = optim_wrapper.optimizer
        known = inspect.signature(type(optimizer)).parameters
        self.optimizer = type(optimizer)(
            [p for p in self.student.parameters() if p.requires_grad],
            **{k: v for k, v in optimizer.defaults.items() if k in known},
        )
        self.wrapper = type(optim_wrapper).__name__
        self.inputs = batch['inputs']
        self.samples = batch['data_samples']
        # Segmentors and detectors have none.
        self.target: Optional[torch.Tensor] = None
        if any(label in self.samples[0] for label in ('gt_label', 'gt_score')):
            self.target = targets_of(self.samples).to(self.inputs.device)

    def step(self) -> None:
        """Train for one iteration."""
        with self.context(self.student):
            if self.teacher is not None:
                with torch.no_grad():
                    self.teacher(self.inputs, self.samples, mode='tensor')
            loss = self._loss()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _loss(self) -> torch.Tensor:
        """Compute the student's loss."""
        if self.target is None:
            losses = self.student(self.inputs, self.samples, mode='loss')
            return self.student.parse_losses(losses)[0]
        logits = self.student(self.inputs, mode='tensor')
        return functional.cross_entropy(logits, self.target)

    def describe(self) -> str:
        """Describe the loop: equal descriptions mean equal work."""
        networks = [
            f'{role} of {sum(p.numel() for p in network.parameters()):,} '
            f'parameters'
            for role, network in (
                ('teacher', self.teacher),
                ('student', self.student),
            )
            if network is not None
        ]
        shape = 'x'.join(map(str, self.inputs.shape))
        layout = str(self.layout).split('.')[-1]
        return ', '.join(
            [
                *networks,
                f'batch {shape}',
                type(self.optimizer).__name__,
                self.wrapper,
                layout,
            ]
        )


def copy_bare(model: nn.Module) -> nn.Module:
    """Copy a model without its hooks."""
    with _without_hooks(model):
        return copy.deepcopy(model)


@contextmanager
def _without_hooks(model: nn.Module) -> Iterator[None]:
    """Detach the hooks: copying a hook would copy its owner as well."""
    names = ('_forward_hooks', '_forward_pre_hooks')
    kept = [(m, n, getattr(m, n)) for m in model.modules() for n in names]
    try:
        for module, name, _ in kept:
            setattr(module, name, OrderedDict())
        yield
    finally:
        for module, name, hooks in kept:
            setattr(module, name, hooks)
