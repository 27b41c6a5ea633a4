"""Ends a training that reaches NaN, and reports where it came from."""

import math
from functools import partial
from typing import Any, Dict, List, Optional, Tuple, Union

import torch
from mmengine.dist import all_gather_object, all_reduce
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import HOOKS
from torch import nn

from ...errors import DivergenceError, SettingError, check_number
from ...tracing.modules import forward_hooks, unwrap_model
from ...tracing.records import tensors_in

#: losses in a row that aren't finite, after which a training ends
PATIENCE = 20


@HOOKS.register_module()
class DivergenceHook(Hook):
    """Ends a training at the first loss that isn't finite.

    It checks the losses before the backward pass, so that the weights are
    still those that gave the loss. The message names the loss and the first
    module with such an output, in the order of computation; to find it, the
    iteration is run again. If a finite loss has gradients that aren't finite,
    this shows in the next iteration's loss, or in the weights at the end of
    the epoch, before they are saved. If one of several processes finds such a
    loss, all end together.

    float16 with loss scaling may reach such a loss now and then, and skips the
    update. In that case the training ends after ``patience`` of them in a row,
    or when weights or batch normalisation statistics aren't finite, which no
    later update repairs.

    It doesn't affect the training: weights, statistics and random numbers are
    the same with and without it. It costs one synchronisation of the device,
    and of the processes, per iteration.

    Args:
        patience (int, optional): Losses in a row, see above. Defaults to
            None: 20 where losses are scaled; it has no effect elsewhere.

    Raises:
        SettingError: Before the first iteration, if ``patience`` is given and
            no loss is scaled.
        DivergenceError: In the forward pass of an iteration, or at the end of
            an epoch.

    Examples:
        >>> custom_hooks = [dict(type='DivergenceHook')]
    """

    def __init__(self, patience: Optional[int] = None) -> None:
        owner = type(self).__name__
        if patience is not None:
            check_number(owner, 'patience', patience, minimum=1, integer=True)
        self._is_set = patience is not None
        self.patience = patience or PATIENCE
        self._in_row = 0
        self._batch: Any = None
        self._handle: Optional[torch.utils.hooks.RemovableHandle] = None

    def before_train(self, runner) -> None:
        """Check what the model's forward pass returns from here on."""
        if self._is_set and not scales_loss(runner.optim_wrapper):
            raise SettingError(
                f'{type(self).__name__} has patience={self.patience}, which '
                f'has an effect only where losses are scaled (AmpOptimWrapper '
                f'in float16); leave it out.'
            )
        self._handle = unwrap_model(runner.model).register_forward_hook(
            partial(self._check_losses, runner)
        )

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Keep the batch, in case it has to be run again."""
        self._batch = data_batch

    def after_train_epoch(self, runner) -> None:
        """Check the weights, before they are saved."""
        bad = bad_weights(unwrap_model(runner.model))
        if not _anywhere(bool(bad)):
            return
        reason = None
        if bad:
            reason = (
                f'its losses are finite, but {spoken(bad[0])} is not; '
                f'{lower_rate(runner)}'
            )
        _end(runner.iter, reason)

    def after_train(self, runner) -> None:
        """Restore the model."""
        self._handle.remove()

    def _check_losses(self, runner, model, inputs, losses) -> None:
        """End the training if a loss isn't finite."""
        if not (model.training and isinstance(losses, dict)):
            return
        values = loss_values(losses)
        trained = [value for name, value in values.items() if 'loss' in name]
        if not trained or not _anywhere(~torch.isfinite(sum(trained))):
            self._in_row = 0
            return
        self._in_row += 1
        if (
            scales_loss(runner.optim_wrapper)
            and self._in_row < self.patience
            and not _anywhere(bool(bad_weights(model)))
        ):
            return
        self._handle.remove()  # the model is run again
        # In all processes, since they may wait for each other there.
        name, module = find_culprit(model, self._batch)
        reason = first_bad(values)
        if reason:
            reason += f', and {describe_culprit(name, module, runner)}'
        _end(runner.iter + 1, reason)


def _anywhere(flag: Union[bool, torch.Tensor]) -> bool:
    """Check whether a flag is set in any process."""
    flag = torch.as_tensor(flag).float()
    all_reduce(flag, 'max')
    return bool(flag.item())


def _end(iteration: int, reason: Optional[str]) -> None:
    """End all processes if one of them has found something.

    Args:
        iteration (int): From 1.
        reason (str, optional): What this process has found, if anything.
    """
    reason = next(filter(None, all_gather_object(reason)))
    raise DivergenceError(
        f'The training has diverged at iteration {iteration}: {reason}.'
    )


def loss_values(losses: Dict[str, Any]) -> Dict[str, torch.Tensor]:
    """Reduce what a model's loss returns to scalars, as MMEngine does."""
    return {
        name: sum(tensor.detach().mean() for tensor in tensors_in(value))
        for name, value in losses.items()
        if tensors_in(value)
    }


def first_bad(values: Dict[str, torch.Tensor]) -> Optional[str]:
    """Describe the first value that isn't finite, if there is one.

    Args:
        values (dict): Scalars by their names in the log. Those of local
            modules are computed before the head's.
    """
    order = sorted(values, key=lambda n: not n.startswith('distill.module'))
    for name in order:
        value = values[name].item()
        if not math.isfinite(value):
            return f'{name} is {value}'
    return None


def scales_loss(
    optim_wrapper: Union[OptimWrapper, OptimWrapperDict],
) -> bool:
    """Check whether there is a loss scaler, which skips bad updates."""
    wrappers = [optim_wrapper]
    if isinstance(optim_wrapper, OptimWrapperDict):
        wrappers = list(optim_wrapper.values())
    return any(hasattr(wrapper, 'loss_scaler') for wrapper in wrappers)


def bad_weights(model: nn.Module) -> List[str]:
    """List weights and batch normalisation statistics that aren't finite."""
    tensors = dict(model.named_parameters())
    # Other buffers may be infinite on purpose, such as an attention mask.
    tensors.update(
        (name, buffer)
        for name, buffer in model.named_buffers()
        if name.endswith(('running_mean', 'running_var'))
    )
    finite = torch.stack([x.isfinite().all() for x in tensors.values()])
    return [name for name, fine in zip(tensors, finite.tolist()) if not fine]


def find_culprit(
    model: nn.Module, batch: Any
) -> Tuple[Optional[str], Optional[nn.Module]]:
    """Run an iteration again to find the first module with a bad output.

    Args:
        model (nn.Module): An algorithm or a classifier.
        batch: A batch from the data loader.

    Returns:
        tuple[str, nn.Module]: The first module whose output isn't finite, and
        its name in the model. None and None if there is none.
    """
    parts = list(model.named_modules())
    if hasattr(model, 'teacher'):  # which need not be a submodule
        parts += model.teacher.named_modules(prefix='teacher')
    found: List[Tuple[str, nn.Module]] = []

    def check(name, module, inputs, output) -> None:
        if not found and not all_finite(tensors_in(output)):
            found.append((name, module))

    hooks = [(module, partial(check, name)) for name, module in parts]
    with forward_hooks(hooks), torch.no_grad():
        model._run_forward(model.data_preprocessor(batch, True), 'loss')
    return found[0] if found else (None, None)


def all_finite(tensors: List[torch.Tensor]) -> bool:
    """Check whether tensors of any type are finite."""
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


def describe_culprit(
    name: Optional[str], module: Optional[nn.Module], runner
) -> str:
    """Describe which module is the first, and what may help.

    Args:
        name (str, optional): See :func:`find_culprit`.
        module (nn.Module, optional): Likewise.
        runner (Runner): For the learning rate.
    """
    if name is None:
        return 'the outputs of all modules are finite; lower its weight'
    where = f'the first module whose output is not finite is {spoken(name)}'
    if name == 'data_preprocessor':
        return f'{where}; check its mean and std, and the images'
    if not all_finite(list(module.parameters(recurse=False))):
        where += ', with weights that are not'
    if name.startswith('teacher.'):
        return f'{where}; check its checkpoint, model.teacher_ckpt'
    if hasattr(module, 'loss_weight'):
        return f'{where}; change its loss_weight, now {module.loss_weight}'
    return f'{where}; {lower_rate(runner)}'


def spoken(name: str) -> str:
    """Describe the module or weight with a given name in the model."""
    owner, _, rest = name.partition('.')
    roles = dict(architecture='student', teacher='teacher')
    if owner in roles and rest:
        return f"the {roles[owner]}'s '{rest}'"
    return f"'{name}'"


def lower_rate(runner) -> str:
    """Suggest a remedy for updates that are too large."""
    rates = runner.optim_wrapper.get_lr().values()
    return (
        f'lower optim_wrapper.optimizer.lr (the schedule is at '
        f'{max(map(max, rates)):.3g}), or clip the gradients with '
        f'optim_wrapper.clip_grad.max_norm=5'
    )
