"""Find the registry that a part of a config is built from, by its path."""

from typing import Any, Dict, Iterator, NamedTuple, Optional, Set, Tuple

from mmengine import registry as registries
from mmengine.registry import Registry


class Kind(NamedTuple):
    """A kind of parts that are built in the same way.

    Attributes:
        registry (Registry): MMEngine's own, the root of those of all scopes.
        default (str, optional): The type if a config names none.
        suffix (str): Appended to a type before lookup.
        scoped (bool): Whether MMEngine looks in the default scope rather than
            in its own registry.
        given (tuple[str]): Arguments that the builder adds.
        taken (tuple[str]): Keys that the builder removes.
        children (dict[str, str]): Kinds of its parts, by their keys.
    """

    registry: Registry
    default: Optional[str] = None
    suffix: str = ''
    scoped: bool = True
    given: Tuple[str, ...] = ()
    taken: Tuple[str, ...] = ()
    children: Dict[str, str] = {}


#: keys from which MMPretrain's, MMRazor's and our models build parts; all
#: others are checked only when they are built
MODEL_PARTS = dict.fromkeys(
    (
        'architecture',
        'teacher',
        'distiller',
        'backbone',
        'neck',
        'head',
        'loss',
        'data_preprocessor',
        'connector',
        'connectors',
        'distill_losses',
        'feature_loss',
        'attention_loss',
        'classifier_loss',
        'local_modules',
    ),
    'model',
)
MODEL_PARTS.update(
    student_recorders='recorder',
    teacher_recorders='recorder',
)

KINDS: Dict[str, Kind] = dict(
    model=Kind(registries.MODELS, children=MODEL_PARTS),
    recorder=Kind(registries.TASK_UTILS, suffix='Recorder'),
    dataset=Kind(
        registries.DATASETS,
        children=dict(
            pipeline='transform', dataset='dataset', datasets='dataset'
        ),
    ),
    transform=Kind(
        registries.TRANSFORMS, children=dict(transforms='transform')
    ),
    sampler=Kind(registries.DATA_SAMPLERS, given=('dataset', 'seed')),
    batch_sampler=Kind(
        registries.DATA_SAMPLERS, given=('sampler', 'batch_size')
    ),
    function=Kind(registries.FUNCTIONS, scoped=False),
    optim_wrapper=Kind(
        registries.OPTIM_WRAPPERS,
        default='OptimWrapper',
        taken=('constructor', 'paramwise_cfg'),
        children=dict(optimizer='optimizer'),
    ),
    optimizer=Kind(registries.OPTIMIZERS, given=('params',)),
    scheduler=Kind(
        registries.PARAM_SCHEDULERS,
        given=('optimizer',),
        taken=('convert_to_iter_based', 'epoch_length'),
    ),
    hook=Kind(registries.HOOKS, taken=('priority',)),
    metric=Kind(registries.METRICS),
    evaluator=Kind(
        registries.EVALUATOR,
        default='Evaluator',
        children=dict(metrics='metric'),
    ),
    loop=Kind(
        registries.LOOPS,
        given=('runner', 'dataloader', 'evaluator'),
        taken=('by_epoch',),
    ),
    visualizer=Kind(
        registries.VISUALIZERS,
        given=('name', 'save_dir'),
        children=dict(vis_backends='backend'),
    ),
    backend=Kind(registries.VISBACKENDS, given=('save_dir',)),
    log_processor=Kind(registries.LOG_PROCESSORS, default='LogProcessor'),
    model_wrapper=Kind(
        registries.MODEL_WRAPPERS,
        default='MMDistributedDataParallel',
        scoped=False,
        given=('module', 'device_ids'),
    ),
)

#: kinds of the parts that stand at a config's top level
SECTIONS: Dict[str, str] = dict(
    model='model',
    data_preprocessor='model',
    optim_wrapper='optim_wrapper',
    param_scheduler='scheduler',
    default_hooks='hook',
    custom_hooks='hook',
    visualizer='visualizer',
    log_processor='log_processor',
    model_wrapper_cfg='model_wrapper',
    train_cfg='loop',
    val_cfg='loop',
    test_cfg='loop',
    val_evaluator='metric',
    test_evaluator='metric',
)
#: dicts of named parts
TABLES = (
    'default_hooks',
    'param_scheduler',
    'student_recorders',
    'teacher_recorders',
    'connectors',
    'distill_losses',
)
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
#: kinds of the parts of a data loader
LOADER_PARTS: Dict[str, str] = dict(
    dataset='dataset',
    sampler='sampler',
    batch_sampler='batch_sampler',
    collate_fn='function',
    worker_init_fn='function',
)
DEFAULT_LOOPS = dict(val_cfg='ValLoop', test_cfg='TestLoop')


def registries_in(section: str) -> Set[Registry]:
    """List MMEngine's registries that a section's parts are built from."""
    kinds = [SECTIONS[section]] if section in SECTIONS else []
    if section in LOADERS:
        kinds = list(LOADER_PARTS.values())
    if section in ('val_evaluator', 'test_evaluator'):
        kinds.append('evaluator')
    if section == 'optim_wrapper':
        kinds.append('optimizer')
    for kind in kinds:  # which grows in the loop
        kinds += set(KINDS[kind].children.values()) - set(kinds)
    return {KINDS[kind].registry for kind in kinds}


class Part(NamedTuple):
    """A dict of a config from which something is built.

    Attributes:
        path (str): Its path, such as ``custom_hooks[0]``.
        cfg (dict): The dict.
        kind (Kind): Its kind.
        scope (str): Scope of its type.
    """

    path: str
    cfg: Dict
    kind: Kind
    scope: str

    @property
    def type(self):
        """The type, a string or a class; None without one."""
        return self.cfg.get('type', self.kind.default)


def find_sections(cfg: Dict, scope: str) -> Iterator[Part]:
    """Find the parts at a config's top level.

    Args:
        cfg (dict): The config.
        scope (str): Its default scope.
    """
    for name, kind in SECTIONS.items():
        value = cfg.get(name)
        if kind == 'loop':
            if isinstance(value, dict):
                yield _find_loop(name, value, scope)
        elif kind == 'metric' and 'metrics' in _as_dict(value):
            yield Part(name, value, KINDS['evaluator'], scope)
        elif name == 'optim_wrapper' and 'optimizer' not in _as_dict(value):
            continue  # one for each of several optimizers
        else:
            yield from find_parts(name, value, kind, scope)
    for loader in LOADERS:
        for name, kind in LOADER_PARTS.items():
            value = _as_dict(cfg.get(loader)).get(name)
            yield from find_parts(f'{loader}.{name}', value, kind, scope)


def _find_loop(name: str, value: Dict, scope: str) -> Part:
    """Return a loop's part, with the default type that MMEngine builds."""
    default = DEFAULT_LOOPS.get(name)
    if name == 'train_cfg':
        default = 'EpochBased' if value.get('by_epoch') else 'IterBased'
        default += 'TrainLoop'
    return Part(name, value, KINDS['loop']._replace(default=default), scope)


def find_parts(path: str, value, kind: str, scope: str) -> Iterator[Part]:
    """Find the parts in a dict, a list or a table of dicts.

    Args:
        path (str): Path of the value.
        value: A part of a config; anything but dicts and lists is skipped.
        kind (str): One of :data:`KINDS`.
        scope (str): Scope of its type.
    """
    if isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from find_parts(f'{path}[{number}]', item, kind, scope)
    elif isinstance(value, dict):
        scope = value.get('_scope_') or scope
        part = Part(path, value, KINDS[kind], scope)
        last = path.rpartition('.')[2]
        if part.type is not None:
            yield part
        elif last in TABLES:
            for name, item in value.items():
                yield from find_parts(f'{path}.{name}', item, kind, scope)
        elif last.startswith('local_modules['):
            yield from find_children(part)


def find_children(part: Part) -> Iterator[Part]:
    """Find the parts of a part."""
    for name, kind in part.kind.children.items():
        value = part.cfg.get(name)
        yield from find_parts(f'{part.path}.{name}', value, kind, part.scope)


def type_name(kind: Any) -> str:
    """Return the name of a type without its scope or module.

    Args:
        kind (str | type): As a config gives it.

    Examples:
        >>> type_name('mmengine.OptimWrapper'), type_name(dict)
        ('OptimWrapper', 'dict')
    """
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', '')
    return name.rpartition('.')[2]


def class_of(kind: Any, registry: Registry) -> Any:
    """Return the class of a type; None if none of its name is registered.

    Args:
        kind (str | type): As a config gives it; new-style ones give classes.
        registry (Registry): Where names are looked up.
    """
    return registry.get(kind) if isinstance(kind, str) else kind


def _as_dict(value) -> Dict:
    return value if isinstance(value, dict) else {}
