"""Find values with which a training couldn't start or would do nothing."""

import logging
import re
from typing import Any, Callable, Dict, Iterator, NamedTuple, Sequence, Tuple

from ..errors import SettingError, is_number, nearest
from .kinds import LOADERS, type_name

GROUPS = (
    ('train_dataloader', 'train_cfg', 'optim_wrapper'),
    ('val_dataloader', 'val_cfg', 'val_evaluator'),
    ('test_dataloader', 'test_cfg', 'test_evaluator'),
)
DICTS = (dict, list, tuple)
#: MMEngine's own, and what stands for it
LOOPS = (
    'Loop',
    'EpochBasedTrainLoop',
    'IterBasedTrainLoop',
    'ValLoop',
    'TestLoop',
)
TYPES = {
    **dict.fromkeys((*LOADERS, 'train_cfg', 'val_cfg', 'test_cfg'), dict),
    **dict.fromkeys(('model', 'optim_wrapper', 'data_preprocessor'), dict),
    **dict.fromkeys(('default_hooks', 'env_cfg', 'randomness'), dict),
    **dict.fromkeys(('visualizer', 'log_processor', 'auto_scale_lr'), dict),
    **dict.fromkeys(('val_evaluator', 'test_evaluator'), DICTS),
    'param_scheduler': DICTS,
    'custom_hooks': (list, tuple),
    'default_scope': str,
    'custom_imports': dict,
}


def _or_none(rule: Tuple[Callable[[Any], bool], str]) -> Tuple:
    """Let a rule hold for None, too."""
    holds, expected = rule
    return lambda v: v is None or holds(v), f'{expected}, or None,'


def is_whole(value: Any, least: int) -> bool:
    """Check whether a value is a whole number of at least ``least``."""
    return is_number(value) and value == int(value) and value >= least


class ValueRule(NamedTuple):
    """A condition on the values at some paths."""

    paths: str
    holds: Callable[[Any], bool]
    expected: str


COUNT = (lambda v: is_whole(v, 1), 'a whole number of at least 1')
NATURAL = (lambda v: is_whole(v, 0), 'a whole number of at least 0')
NOT_NEGATIVE = (
    lambda v: is_number(v) and v >= 0,
    'a finite number of at least 0',
)
NUMBER = (is_number, 'a finite number')
POSITIVE = (lambda v: is_number(v) and v > 0, 'a finite number above 0')
SWITCH = (lambda v: v in (True, False), 'True or False')
PATH = (
    lambda v: v is None or (isinstance(v, str) and v != ''),
    'the path of a checkpoint, or None,',
)
PATHS = (
    lambda v: (
        all(map(PATH[0], v))
        if v and isinstance(v, (list, tuple))
        else PATH[0](v)
    ),
    'the path of a checkpoint, None, or a list of them for several teachers,',
)
RULES = tuple(
    ValueRule(*rule)
    for rule in (
        (r'\w+_dataloader\.batch_size', *COUNT),
        (r'\w+_dataloader\.num_workers', *NATURAL),
        (
            r'\w+_dataloader\.(drop_last|pin_memory|persistent_workers)',
            *SWITCH,
        ),
        (r'train_cfg\.(max_epochs|max_iters|val_interval)', *COUNT),
        (r'train_cfg\.val_begin', *NATURAL),
        (
            r'randomness\.seed',
            lambda v: v is None or (is_whole(v, 0) and v < 2**32),
            'a whole number from 0 to 4294967295, or None,',
        ),
        (r'randomness\.(deterministic|diff_rank_seed)', *SWITCH),
        (
            r'default_hooks\.\w+\.(interval|max_keep_ckpts)',
            lambda v: v == -1 or is_whole(v, 1),
            'a whole number of at least 1, or -1 to switch it off,',
        ),
        (r'optim_wrapper\.optimizer\.(lr|weight_decay)', *NOT_NEGATIVE),
        (r'optim_wrapper\.optimizer\.momentum', *NOT_NEGATIVE),
        (r'optim_wrapper\.accumulative_counts', *COUNT),
        (r'optim_wrapper\.clip_grad\.max_norm', *POSITIVE),
        (r'param_scheduler.*\.milestones\[\d+\]', *NOT_NEGATIVE),
        (r'param_scheduler.*\.begin', *NOT_NEGATIVE),
        (
            r'param_scheduler.*\.end',
            lambda v: v == float('inf') or NOT_NEGATIVE[0](v),
            'a number of at least 0',
        ),
        (r'param_scheduler.*\.eta_min', *_or_none(NOT_NEGATIVE)),
        (r'param_scheduler.*\.T_max', *_or_none(POSITIVE)),
        (r'param_scheduler.*\.(gamma|step_size)', *POSITIVE),
        (r'param_scheduler.*\.(\w+_)?factor', *NUMBER),
        (r'param_scheduler.*\.(by_epoch|convert_to_iter_based)', *SWITCH),
        (r'(model\.)?data_preprocessor\.mean\[\d+\]', *NUMBER),
        (r'(model\.)?data_preprocessor\.std\[\d+\]', *POSITIVE),
        (r'auto_scale_lr\.base_batch_size', *COUNT),
        (r'(auto_scale_lr\.enable|train_cfg\.by_epoch)', *SWITCH),
        (r'(env_cfg\.cudnn_benchmark|find_unused_parameters)', *SWITCH),
        ('resume', *_or_none(SWITCH)),
        (
            'sync_bn',
            lambda v: v in (None, False, 'torch', 'mmcv'),
            "'torch', 'mmcv', or None,",
        ),
        ('load_from', *PATH),
        (r'model\.teacher_ckpt', *PATHS),
        (
            'work_dir',
            lambda v: isinstance(v, str) and v.strip() != '',
            'the path of a folder',
        ),
    )
)
#: constructors of mmsegmentation and mmdetection that go by parameters' names
BY_NAME = (
    'LearningRateDecayOptimizerConstructor',
    'LayerDecayOptimizerConstructor',
)
LISTS = r'(param_scheduler.*\.milestones|.*data_preprocessor\.(mean|std))'


def check_values(cfg: Dict, needed: Sequence[str] = ()) -> None:
    """Raise for wrong values that MMEngine accepts, or doesn't name.

    Args:
        cfg (dict): A config.
        needed (Sequence[str]): Sections that the tool requires.

    Raises:
        SettingError: If there is one, naming the key, its value and what is
            expected.
    """
    for name in needed:
        if cfg.get(name) is None:
            raise SettingError(
                f"The config lacks '{name}', which this tool needs; add it, "
                f'or give a config that has it.'
            )
    for name, kind in TYPES.items():
        value = cfg.get(name)
        if isinstance(value, (list, tuple)) and _has_own_loop(cfg, name):
            continue
        if value is not None and not _is_built(value, kind):
            words = {
                dict: 'dict',
                str: 'text',
                DICTS: 'dict or a list of dicts',
            }
            raise SettingError(
                f'{name}={value!r}, but a {words.get(kind, "list")} is '
                f'expected.'
            )
    for group in GROUPS if needed else ():
        _check_group(cfg, group)
        evaluator = group[2]
        if cfg.get(evaluator) in ([], ()) and 'evaluator' in evaluator:
            raise SettingError(
                f'{evaluator} has no metric, so that nothing would be '
                f"measured; write one, such as dict(type='Accuracy')."
            )
    wrapper = cfg.get('optim_wrapper')
    if isinstance(wrapper, dict) and not (
        {'optimizer', 'constructor'} & set(wrapper)
        or any(hasattr(value, 'update_params') for value in wrapper.values())
    ):
        raise SettingError("optim_wrapper lacks 'optimizer'; add it.")
    if isinstance(wrapper, dict):
        _check_constructor(cfg, wrapper)
    loop = cfg.get('train_cfg') or {}
    if 'max_epochs' in loop and not {'by_epoch', 'type'} & set(loop):
        raise SettingError(
            'train_cfg has max_epochs, but neither by_epoch nor a type, and '
            'would count iterations; add by_epoch=True.'
        )
    begin = loop.get('val_begin')
    end = loop.get('max_epochs', loop.get('max_iters'))
    if is_number(begin) and is_number(end) and begin > end:
        raise SettingError(
            f'train_cfg.val_begin={begin}, but the training ends at {end}, '
            f'so that nothing would be validated; take an earlier one, or '
            f'set val_dataloader, val_cfg and val_evaluator to None.'
        )
    for path, value in walk_values(cfg):
        _check_value(path, value)
    _check_normalisation(cfg)
    _check_log_level(cfg.get('log_level', 'INFO'))


def _has_own_loop(cfg: Dict, name: str) -> bool:
    """Check whether a data loader goes to a loop that isn't MMEngine's."""
    role, _, kind = name.partition('_')
    loop = cfg.get(f'{role}_cfg')
    own = kind == 'dataloader' and isinstance(loop, dict)
    return own and type_name(loop.get('type', 'Loop')) not in LOOPS


def _check_constructor(cfg: Dict, wrapper: Dict) -> None:
    """Raise for mmseg's and mmdet's layer decay in a distillation."""
    name = str(wrapper.get('constructor')).split('.')[-1]
    model = cfg.get('model')
    if name in BY_NAME and isinstance(model, dict) and 'distiller' in model:
        raise SettingError(
            f"optim_wrapper.constructor='{name}' looks for names that begin "
            f"with 'backbone', and a student's begin with 'architecture.'; "
            f'leave it out and write the learning rates of stages as '
            f'paramwise_cfg.custom_keys, such as '
            f"{{'backbone.stages.0': dict(lr_mult=0.1)}}."
        )


def _is_built(value: Any, kind: Any) -> bool:
    """Check whether a value is of a type, or an object already built."""
    plain = (str, int, float, bool, list, tuple, dict)
    return isinstance(value, kind) or not isinstance(value, plain)


def walk_values(value: Any, path: str = '') -> Iterator[Tuple[str, Any]]:
    """Yield all values that are not dicts, with their paths.

    Examples:
        >>> list(walk_values(dict(a=[1, dict(b=2)])))
        [('a', [1, {'b': 2}]), ('a[0]', 1), ('a[1].b', 2)]
    """
    if isinstance(value, dict):
        for name, item in value.items():
            yield from walk_values(
                item, f'{path}.{name}' if path else str(name)
            )
        return
    yield path, value
    if isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from walk_values(item, f'{path}[{number}]')


def _check_value(path: str, value: Any) -> None:
    """Check a value against the rules for its path."""
    if re.fullmatch(LISTS, path) and value is not None:
        if not isinstance(value, (list, tuple)):
            raise SettingError(
                f'{path}={value!r}, but a list of numbers is expected.'
            )
    for rule in RULES:
        if re.fullmatch(rule.paths, path) and not rule.holds(value):
            raise SettingError(
                f'{path}={value!r}, but {rule.expected} is expected.'
            )


def _check_group(cfg: Dict, group: Sequence[str]) -> None:
    """Raise if only some of a group are set; MMEngine needs all or none."""
    given = [name for name in group if cfg.get(name) is not None]
    missing = [name for name in group if name not in given]
    if given and missing:
        raise SettingError(
            f'The config has {" and ".join(given)}, but no '
            f'{" and ".join(missing)}; give all three or set all to None.'
        )


def _check_normalisation(cfg: Dict) -> None:
    """Raise if mean and std have different numbers of channels."""
    for path, owner in (('', cfg), ('model.', cfg.get('model'))):
        owner = owner if hasattr(owner, 'get') else {}
        settings = owner.get('data_preprocessor')
        settings = settings if isinstance(settings, dict) else {}
        values = [settings.get(name) for name in ('mean', 'std')]
        lengths = {len(value) for value in values if value is not None}
        if len(lengths - {1}) > 1:
            raise SettingError(
                f'{path}data_preprocessor has mean={values[0]} and '
                f'std={values[1]}, but one number for each channel is '
                f'expected in both.'
            )


def _check_log_level(level: Any) -> None:
    """Raise if Python's logging doesn't know a level."""
    names = [logging.getLevelName(number) for number in range(10, 60, 10)]
    if isinstance(level, str) and level not in (*names, 'WARN', 'NOTSET'):
        raise SettingError(
            f"log_level='{level}', but a level of Python's logging is "
            f'expected; the nearest ones are: {nearest(level, names)}.'
        )
