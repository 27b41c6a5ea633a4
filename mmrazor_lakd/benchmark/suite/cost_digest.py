"""What decides the cost of a config's training step."""

import hashlib
import json
from typing import Any, Dict, Optional

from mmengine.config import Config

from ...config_check.kinds import type_name
from ...distillers.named_stages import expand_model
from .budget import CURRICULUM
from .configs import decisive_part, find_hooks

#: sections that a measured training uses as they are; of our
#: :data:`~mmrazor_lakd.benchmark.cost.jobs.USED` the others count in part
USED = (
    'data_preprocessor',
    'train_dataloader',
    'optim_wrapper',
    'env_cfg',
    'activation_checkpointing',
    'efficient_conv_bn_eval',
)
#: settings of a loop that only say how long it is, and when it validates
LENGTHS = (
    'max_epochs',
    'max_iters',
    'val_interval',
    'val_begin',
    'dynamic_intervals',
)
#: hooks that do nothing in a measured training, which neither loads nor
#: validates
IDLE_HOOKS = (
    'ClassCountHook',
    'ClassNumCheckHook',
    'MissedValidationHook',
    'NaiveVisualizationHook',
    'SafeLoadingHook',
    'SavedStatisticsHook',
    'TeacherAccuracyHook',
    'VisualizationHook',
)


def cost_digest(cfg: Config, threads: int) -> str:
    """Hash the settings that decide what a training step costs.

    Unlike the digest of a result it has none of the length of the training,
    the learning rate and the validation, but the loader's workers and all
    hooks that act in a step. Lengths of LAKD's curriculum count as fractions
    of the training, since a step within one may cost more.

    Args:
        cfg (Config): The config.
        threads (int): Of PyTorch on the CPU.

    Raises:
        SettingError: If a hook has no type.
    """
    kept = {name: decisive_part(cfg, name) for name in USED}
    kept['optim_wrapper'] = _without_rates(kept['optim_wrapper'])
    model = decisive_part(cfg, 'model')
    planned = cfg.train_cfg.get('max_epochs')
    _settle_lengths(model.get('distiller') or {}, planned)
    kept['model'] = expand_model(model)
    kept['train_cfg'] = {
        name: value
        for name, value in decisive_part(cfg, 'train_cfg').items()
        if name not in LENGTHS
    }
    kept['hooks'] = [
        hook
        for path, hook in find_hooks(cfg).items()
        if path != 'default_hooks.checkpoint'  # as no measurement has one
        and type_name(hook['type']) not in IDLE_HOOKS
    ]
    randomness = cfg.get('randomness') or {}
    kept['deterministic'] = bool(randomness.get('deterministic'))
    kept['workers'] = cfg.train_dataloader.get('num_workers') or 0
    kept['threads'] = threads
    text = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _without_rates(value: Any) -> Any:
    """Leave the learning rates out of an optimizer wrapper."""
    if not isinstance(value, dict):
        return value
    return {k: _without_rates(v) for k, v in value.items() if k != 'lr'}


def _settle_lengths(distiller: Dict[str, Any], planned: Optional[int]) -> None:
    """Write a distiller's lengths as they count for the cost, in place.

    That of a loss's warm-up only changes a factor.
    """
    losses = distiller.get('distill_losses') or {}
    for name, part in [*distiller.items(), *losses.items()]:
        if not isinstance(part, dict):
            continue
        if type_name(part.get('type')) == 'WarmupLoss':
            for length in ('epochs', 'iters', 'fraction'):
                part.pop(length, None)
        elif name in CURRICULUM and 'epochs' in part:
            epochs = part.pop('epochs')
            if epochs and planned:
                part['fraction'] = epochs / planned
