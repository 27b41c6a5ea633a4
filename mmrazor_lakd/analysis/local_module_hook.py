"""Logs the local modules during training to MMEngine's Visualizer."""

import math
import re
from typing import Any, Dict, List, Optional, Tuple

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import IterBasedTrainLoop
from torch import nn

from ..errors import SettingError
from ..tracing.modules import eval_mode, unwrap_model
from .features import Comparison, compare_modules
from .fixed_images import FixedImages, kept_random_state
from .module_ends import ModuleEnd, find_module_ends
from .module_gradients import ModuleGradients, group_parameters


@HOOKS.register_module()
class LocalModuleHook(Hook):
    """Logs each local module's losses, gradients and maps during training.

    For each module (module 1, for example), all visualizer backends get:

    - every ``interval`` iterations ``module1/loss``, ``module1/feature`` and
      whatever else the distiller logs for it, and ``module1/grad_norm``, the
      norm of the gradient that the optimizer steps with (averaged over the
      processes, after clipping, without a loss scaler's factor). The last
      module's loss is the sum of all losses that belong to no other module.
    - before the training and every ``cka_interval`` epochs ``module1/cka``
      and ``module1/ndam_r``: linear CKA with the teacher's map, and the mean
      correlation of the NDAM maps, on the same validation images each time.
    - before the training and every ``map_interval`` epochs an image,
      ``local_modules``: NDAM maps of some of these images.

    In a training by iterations, where MMEngine sees a single epoch, both
    intervals count the validations.

    The modules are LAKD's. With any other distiller they are the stages, at
    the same places, so that methods can be compared.

    It doesn't affect the training: weights, statistics and random numbers are
    the same with and without it.

    Args:
        interval (int): Iterations between two points of losses and gradient
            norms. Defaults to 50.
        cka_interval (int): Epochs or validations between two points of CKA
            and NDAM correlation. Defaults to 1.
        map_interval (int): Likewise, between two images. Defaults to 5.
        num_images (int): Number of images that CKA compares. Defaults to 64.
        num_maps (int): Number of images whose maps are drawn. Defaults to 4.

    Raises:
        SettingError: Before the first iteration, if the model has no
            teacher, or the networks have no stages.

    Examples:
        >>> custom_hooks = [dict(type='LocalModuleHook', map_interval=5)]
    """

    priority = 'LOW'

    def __init__(
        self,
        interval: int = 50,
        cka_interval: int = 1,
        map_interval: int = 5,
        num_images: int = 64,
        num_maps: int = 4,
    ) -> None:
        settings = dict(
            interval=interval,
            cka_interval=cka_interval,
            map_interval=map_interval,
            num_images=num_images,
            num_maps=num_maps,
        )
        for name, value in settings.items():
            if type(value) is not int or value < 1:
                raise SettingError(
                    f'LocalModuleHook has {name}={value!r}; write an integer '
                    f'of at least 1.'
                )
        self.interval = interval
        self.cka_interval = cka_interval
        self.map_interval = map_interval
        self.num_images = num_images
        self.num_maps = num_maps
        self._ends: List[ModuleEnd] = []
        self._images: Optional[FixedImages] = None
        self._gradients: Optional[ModuleGradients] = None
        # Upper end of the colour scale, the same for all images.
        self._top: Optional[float] = None

    @master_only
    def before_train(self, runner) -> None:
        """Find the modules, choose the images, and compare once."""
        model, student, teacher = _models(runner)
        with kept_random_state():
            self._images = FixedImages(runner, self.num_images)
            size = tuple(next(self._images.inputs(model)).shape[-2:])
            # LAKD's boundaries, those of num_modules too.
            distiller = getattr(model, 'distiller', None)
            modules = getattr(distiller, 'local_modules', None)
            self._ends = find_module_ends(student, teacher, modules, size)
            cuts = [end.student for end in self._ends[:-1]]
            self._gradients = ModuleGradients(
                group_parameters(student, cuts, size), runner.optim_wrapper
            )
        found = self._log_comparison(runner)
        self._log_maps(runner, found)

    @master_only
    def before_train_iter(self, runner, batch_idx: int, data_batch=None):
        """Request the gradients of this iteration's update."""
        if self.every_n_train_iters(runner, self.interval):
            self._gradients.wanted = True

    @master_only
    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Log losses and gradients."""
        found: Dict[str, float] = {}
        if self.every_n_train_iters(runner, self.interval):
            found.update(module_losses(outputs or {}, len(self._ends)))
        # With accumulated gradients the update may come in a later iteration.
        for number, norm in enumerate(self._gradients.take() or [], 1):
            found[f'module{number}/grad_norm'] = norm
        if found:
            runner.visualizer.add_scalars(found, step=runner.iter + 1)

    @master_only
    def after_train_epoch(self, runner) -> None:
        """Compare the maps, and draw them."""
        if not _is_timed_by_validations(runner):
            self._compare(runner, runner.epoch + 1)

    @master_only
    def after_val_epoch(self, runner, metrics=None) -> None:
        """Do so in a training by iterations, which is a single epoch."""
        # not outside of a training
        if self._images is not None and _is_timed_by_validations(runner):
            # counted from the beginning of a resumed training, too
            interval = runner.train_loop.val_interval
            self._compare(runner, math.ceil(runner.iter / interval))

    @master_only
    def after_train(self, runner) -> None:
        """Restore the optimizer."""
        self._gradients.stop()

    def _compare(self, runner, number: int) -> None:
        """Compare and draw after an epoch or validation, as intervals say."""
        draws = number % self.map_interval == 0
        if draws or number % self.cka_interval == 0:
            found = self._log_comparison(runner)
            if draws:
                self._log_maps(runner, found)

    def _log_comparison(self, runner) -> List[Comparison]:
        """Log the CKA and correlation of each module."""
        model, student, teacher = _models(runner)
        with kept_random_state(), eval_mode(student), eval_mode(teacher):
            batches = self._images.inputs(model)
            found = compare_modules(student, teacher, self._ends, batches)
        scalars = {
            f'module{number}/{name}': getattr(comparison, name)
            for number, comparison in enumerate(found, 1)
            for name in ('cka', 'ndam_r')
        }
        runner.visualizer.add_scalars(
            {k: v for k, v in scalars.items() if not math.isnan(v)},
            step=runner.iter,
        )
        return found

    def _log_maps(self, runner, found: List[Comparison]) -> None:
        """Draw the NDAM maps of some of the images."""
        # Imported lazily, since it takes a second.
        from .map_figures import draw_ndam_maps, high_end

        chosen = self._images.places(self.num_maps).tolist()
        maps = {
            f'module {number}': {
                role: [maps[i].cpu().numpy() for i in chosen]
                for role, maps in (
                    ('teacher', comparison.teacher),
                    ('student', comparison.student),
                )
            }
            for number, comparison in enumerate(found, 1)
        }
        if self._top is None:
            # From all images, whichever of them are drawn.
            self._top = high_end(
                maps.cpu().numpy() for c in found for maps in c.teacher
            )
        picture = draw_ndam_maps(
            self._images.shown(_models(runner)[0], self.num_maps),
            maps,
            self._top,
            title=f'NDAM maps after {runner.iter} iterations',
        )
        runner.visualizer.add_image('local_modules', picture, step=runner.iter)


def _is_timed_by_validations(runner) -> bool:
    """Check whether a training is by iterations, with validations."""
    by_iterations = isinstance(runner.train_loop, IterBasedTrainLoop)
    return by_iterations and runner.val_loop is not None


def _models(runner) -> Tuple[nn.Module, nn.Module, nn.Module]:
    """Return the algorithm, its student and its teacher.

    Raises:
        SettingError: If there is no teacher.
    """
    model = unwrap_model(runner.model)
    teacher = getattr(model, 'teacher', None)
    if teacher is None:
        raise SettingError(
            f'LocalModuleHook compares a student with its teacher, but '
            f'{type(model).__name__} has none; use it in the config of a '
            f'distillation.'
        )
    return model, model.architecture, teacher


def to_float(value: Any) -> float:
    """Convert a logged value, which may be a tensor, to a number."""
    return value.item() if hasattr(value, 'item') else float(value)


def module_losses(log: Dict[str, Any], count: int) -> Dict[str, float]:
    """Sort the log of a step by local module.

    Args:
        log (dict): Output of ``train_step``: ``loss``, the sum, its terms by
            name, and other values.
        count (int): Number of modules.

    Returns:
        dict: ``module1/...`` to the last module's, which takes what belongs to
        no other module. Empty for distillers without local modules.
    """
    found = {}
    for name, value in log.items():
        match = re.fullmatch(r'distill\.module(\d+)\.(.+)', name)
        if match:
            found[f'module{match[1]}/{match[2]}'] = to_float(value)
    if found and 'loss' in log:
        others = (found.get(f'module{n}/loss', 0.0) for n in range(1, count))
        found[f'module{count}/loss'] = to_float(log['loss']) - sum(others)
    return found
