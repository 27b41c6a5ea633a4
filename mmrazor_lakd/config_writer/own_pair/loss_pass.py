"""What a classifier's own loss runs, on an image with one label."""

from functools import partial
from typing import Any, Dict, Optional, Tuple

import torch
from mmpretrain.structures import DataSample
from torch import nn

from ...tracing.modules import forward_hooks
from ...tracing.passes import run_model, unchanged

#: where classifiers keep the module that compares logits with labels
LABELS = ('head.loss_module', 'loss_module')


class LossPass:
    """A pass through a model's own loss, in eval mode.

    Args:
        model (nn.Module): A classifier.
        image (Tensor): An image, (1, C, H, W).
        logits (str, optional): The module that outputs its logits.
    """

    def __init__(
        self, model: nn.Module, image: torch.Tensor, logits: Optional[str]
    ) -> None:
        self._logits = logits
        modules = dict(model.named_modules())
        self._known = [name for name in LABELS if name in modules]
        # Inputs and output of the first call, which a recorder would take.
        ran: Dict[str, Tuple[Any, Any]] = {}

        def note(name: str, _, inputs: Any, output: Any) -> None:
            ran.setdefault(name, (inputs, output))

        noted = (*self._known, *([logits] if logits else ()))
        hooks = [(modules[name], partial(note, name)) for name in noted]
        sample = DataSample().set_gt_label(0)
        with unchanged(model), torch.no_grad():
            self._output = run_model(model, image)
            try:
                with forward_hooks(hooks):
                    model(image, [sample], mode='loss')
            except Exception:  # any error of a model that wants other labels
                self._failed = True
            else:
                self._failed = False
        self._ran = ran

    @property
    def loss_module(self) -> Optional[str]:
        """Name of the module that weighs the labels; None if none runs."""
        found = self._known if self._failed else self._ran
        return next((name for name in LABELS if name in found), None)

    @property
    def labels(self) -> Optional[str]:
        """Name of the module that is given the index of each class.

        None if the loss runs no such module.
        """
        name = self.loss_module
        skip = self._failed or not name
        inputs: Tuple[Any, ...] = () if skip else self._ran[name][0]
        given = inputs[1] if len(inputs) > 1 else None
        is_index = (
            isinstance(given, torch.Tensor)
            and given.dim() == 1
            and not given.is_floating_point()
        )
        return name if is_index else None

    @property
    def why_no_logits(self) -> str:
        """Why the logits can't be compared; empty if they can, or may."""
        name = self._logits
        if name is None:
            return 'no module outputs them'
        if self._failed:
            return ''
        if name not in self._ran:
            return f"its loss doesn't run '{name}'"
        found = self._ran[name][1]
        same = (
            isinstance(found, torch.Tensor)
            and found.shape == self._output.shape
            and torch.allclose(found.float(), self._output.float(), atol=1e-5)
        )
        return (
            ''
            if same
            else f"'{name}' gives different logits in training than in "
            f'prediction, as with a margin for the labelled class'
        )
