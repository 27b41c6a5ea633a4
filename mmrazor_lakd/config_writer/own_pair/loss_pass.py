"""What a classifier's own loss runs, on an image with one label."""

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
    """

    def __init__(self, model: nn.Module, image: torch.Tensor) -> None:
        ran: Dict[str, Tuple[Any, Any]] = {}
        hooks = [
            (
                module,
                lambda _, inputs, out, n=name: ran.update({n: (inputs, out)}),
            )
            for name, module in model.named_modules()
        ]
        with unchanged(model), torch.no_grad():
            self._logits = run_model(model, image)
            sample = DataSample().set_gt_label(0)
            try:
                with forward_hooks(hooks):
                    model(image, [sample], mode='loss')
            except Exception:  # a model that wants other labels: any error
                ran = {}
        self._ran = ran

    @property
    def labels(self) -> Optional[str]:
        """Name of the module that is given the index of each class.

        None if the loss runs no such module.
        """
        for name in LABELS:
            inputs = self._ran.get(name, ((), None))[0]
            if len(inputs) > 1 and isinstance(inputs[1], torch.Tensor):
                if inputs[1].dim() == 1 and not inputs[1].is_floating_point():
                    return name
        return None

    def why_not(self, logits: str) -> str:
        """Say why a module's output can't be taken for the logits.

        Args:
            logits (str): The module that outputs the model's logits.

        Returns:
            str: The reason; empty if it can, or if that is unknown.
        """
        if not self._ran:
            return ''
        if logits not in self._ran:
            return f"the student's loss doesn't run '{logits}'"
        found = self._ran[logits][1]
        if not torch.allclose(found, self._logits, atol=1e-5):
            return (
                f"'{logits}' gives other logits in training than in "
                f'prediction, as a margin for the labelled class'
            )
        return ''
