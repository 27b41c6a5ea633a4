"""Whether a config measures the accuracy that suites compare."""

from typing import Any, Dict

from mmengine.config import Config

from ...config_check.kinds import find_parts
from ...config_check.registered import TRUSTED, find_class

#: what suites compare, as MMEngine logs it: prefix and name of a metric
METRIC = 'accuracy/top1'
#: packages whose metrics are known
KNOWN = (*TRUSTED, 'mmdet', 'mmseg')


def measures_accuracy(cfg: Config) -> bool:
    """Check whether a config's ``val_evaluator`` measures :data:`METRIC`.

    A metric of another package that has no prefix is trusted to.
    """
    metrics = cfg.to_dict().get('val_evaluator')
    if isinstance(metrics, dict):
        metrics = metrics.get('metrics', metrics)
    scope = cfg.get('default_scope') or 'mmengine'
    return any(
        _measures_accuracy(part.cfg, find_class(part, nested=False))
        for part in find_parts('val_evaluator', metrics, 'metric', scope)
    )


def _measures_accuracy(metric: Dict[str, Any], cls: Any) -> bool:
    prefix = metric.get('prefix') or getattr(cls, 'default_prefix', None)
    if prefix is None:
        return getattr(cls, '__module__', '').partition('.')[0] not in KNOWN
    topk, thresholds = metric.get('topk', 1), metric.get('thrs')
    several = isinstance(thresholds, (list, tuple)) and len(thresholds) > 1
    counted = topk if isinstance(topk, (list, tuple)) else [topk]
    return prefix == METRIC.partition('/')[0] and 1 in counted and not several
