"""A suite of trainings, as described in configs/benchmark/."""

import re
from pathlib import Path
from typing import (
    Any,
    Dict,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from mmengine.config import Config

from ...config_check import read_config_file
from ...errors import SettingError, is_number, nearest
from .configs import (
    SHARED,
    decisive_part,
    digest,
    fit_budget,
    flatten_options,
    format_options,
    load_config_of,
)

#: the settings of a suite, with the type of each value
SETTINGS: Dict[str, Any] = dict(
    title=str,
    pairs=list,
    methods=list,
    reference=str,
    seeds=list,
    epochs=(int, type(None)),
    teacher_epochs=(int, type(None)),
    teacher_checkpoints=dict,
    teacher_options=dict,
    options=dict,
    threads=int,
)
#: of a method; 'differs' names the parts of its own that its config has,
#: 'same_as' the method whose accuracy it has, since it computes the same
METHOD_KEYS = dict(
    title=str, config=str, options=dict, differs=list, same_as=str
)
#: settings of a model that change what a step costs, and not what it computes
COST_ALONE = ('recompute', 'teacher_chunks')
TEACHER = 'teacher'


def name_training(pair: str, method: str, seed: int, digest: str) -> str:
    """Return a name of a training and its settings, for files and results."""
    method = re.sub(r'[^a-z0-9]+', '-', method.lower()).strip('-')
    return f'{pair}-{method}-seed{seed}-{digest[:8]}'


class Training(NamedTuple):
    """One training of a suite.

    Attributes:
        pair (str): Name of the pair of networks.
        method (str): Title of the method, or :data:`TEACHER`.
        seed (int): Seed of the random generators.
        config (str): Path of the config.
        options (dict): Settings that override it, except the teacher's
            checkpoint.
        epochs (int): Number of epochs.
        teacher (str | None): Name of its teacher's config; None without.
        optim_wrapper (str): Type of its optimizer wrapper, which decides the
            precision.
        digest (str): Hash of all settings that decide its result.
    """

    pair: str
    method: str
    seed: int
    config: str
    options: Dict[str, Any]
    epochs: int
    teacher: Optional[str]
    optim_wrapper: str
    digest: str

    @property
    def name(self) -> str:
        """str: A name for files, unique to this training and its settings."""
        return name_training(self.pair, self.method, self.seed, self.digest)


class Suite(NamedTuple):
    """The trainings of a suite.

    Attributes:
        name (str): Name of its file.
        settings (dict): Those of :data:`SETTINGS`.
        teachers (dict[str, Training | None]): Keyed by the name of the
            teacher's config; None for one whose checkpoint is in the pair's
            configs.
        students (list[Training]): Seed by seed, so that a stopped suite has
            compared all methods on the first seeds.
        measured (list[Training]): Of each pair and method the one whose cost
            is measured, those with ``same_as`` among them.
    """

    name: str
    settings: Dict[str, Any]
    teachers: Dict[str, Optional[Training]]
    students: List[Training]
    measured: List[Training]


def find_suite(text: str, folder: Path) -> Path:
    """Find a suite by its name or path.

    Raises:
        SettingError: If there is none.
    """
    for path in (folder / f'{text}.py', Path(text)):
        if path.is_file():
            return path
    known = sorted(path.stem for path in folder.glob('*.py'))
    raise SettingError(
        f"There is no suite '{text}'; the nearest ones in {folder} are: "
        f'{nearest(text, known)}; those of docs/lab/suites are named by their '
        f'path.'
    )


def load_suite(
    path: Path, root: Path, options: Optional[Dict[str, Any]] = None
) -> Suite:
    """Read a suite and resolve the configs of all its trainings.

    Args:
        path (Path): The suite's file.
        root (Path): The folder to which the configs' paths are relative.
        options (dict, optional): Settings that override the suite's.

    Raises:
        SettingError: If the suite lacks a setting, or one of its configs is
            missing or trains nothing.
    """
    settings = read_config_file(str(path), options, training=False).to_dict()
    _check_settings(path, settings)
    teachers, students, measured = {}, [], []
    for pair in settings['pairs']:
        parts = _parts(path, pair)
        teacher = f'{parts["teacher"]}_{parts["recipe"]}'
        if teacher not in teachers:
            teachers[teacher] = _teacher(root, teacher, settings)
        shared: Dict[str, Any] = {}
        computed: Dict[str, str] = {}
        for method in settings['methods']:
            own = method.get('options', {})
            cfg, trainings = _trainings(
                root=root,
                pair=pair,
                method=method['title'],
                seeds=settings['seeds'],
                config=method['config'].format(**parts),
                options={**settings['options'], **own},
                epochs=settings['epochs'],
                teacher=teacher,
            )
            own_parts = method.get('differs', ())
            _check_shared(trainings[0], cfg, own, own_parts, shared)
            measured.append(trainings[0])
            for name in COST_ALONE:
                cfg.model.pop(name, None)
            computed[method['title']] = digest(cfg)
            if 'same_as' not in method:
                students += trainings
        _check_same(path, settings['methods'], computed)
    _check_checkpoints(path, settings, teachers)
    students.sort(key=lambda t: settings['seeds'].index(t.seed))
    return Suite(path.stem, settings, teachers, students, measured)


def _check_shared(
    training: Training,
    cfg: Config,
    own: Dict[str, Any],
    differs: Sequence[str],
    shared: Dict[str, Any],
) -> None:
    """Check that methods differ in nothing but the distillation.

    Args:
        training (Training): A training of the method.
        cfg (Config): Its config.
        own (dict): The method's options; what they change may differ.
        differs (Sequence[str]): The parts that its config has of its own.
        shared (dict): The parts of the pair's previous methods, by name; the
            method's are added.
    """
    changed = {name.split('.')[0] for name in own}
    for name in SHARED:
        if name in changed or name in differs:
            continue
        part = decisive_part(cfg, name)
        if shared.setdefault(name, part) != part:
            raise SettingError(
                f"The config '{training.config}' of {training.method} has "
                f'another {name} than the other methods of {training.pair}: '
                f'{part} and not {shared[name]}; give it the same, write what '
                f"shall differ into the method's options, or, if the method "
                f"is another one without it, name it in 'differs'."
            )


def _check_same(
    path: Path, methods: Sequence[Dict[str, Any]], computed: Dict[str, str]
) -> None:
    """Check that methods with ``same_as`` compute what they say.

    Args:
        path (Path): The suite's file.
        methods (Sequence[dict]): Its methods.
        computed (dict): A digest of what each computes, by title.
    """
    for method in methods:
        title = method['title']
        other = method.get('same_as', title)
        if computed[title] != computed[other]:
            raise SettingError(
                f"The suite {path} has {title} the same_as '{other}', but "
                f'their configs differ in more than model.'
                f'{" and model.".join(COST_ALONE)}; leave same_as out.'
            )


def _check_settings(path: Path, settings: Dict[str, Any]) -> None:
    """Check that a suite is complete and its settings are valid."""
    for name, kind in SETTINGS.items():
        if name not in settings or not isinstance(settings[name], kind):
            kinds = kind if isinstance(kind, tuple) else (kind,)
            expected = ' or '.join(kind.__name__ for kind in kinds)
            raise SettingError(
                f'The suite {path} has {name}={settings.get(name)!r}, but a '
                f'{expected} is expected; configs/benchmark/_base_/methods.py '
                f'shows all settings of a suite.'
            )
    for name in settings:
        if name not in SETTINGS:
            raise SettingError(
                f"The suite {path} has an unknown setting '{name}'; the "
                f'nearest ones are: {nearest(name, SETTINGS)}.'
            )
    for name in ('pairs', 'seeds', 'methods'):
        if not settings[name]:
            raise SettingError(f'The suite {path} has no {name}; name some.')
    for seed in settings['seeds']:
        if not is_number(seed, integer=True) or not (0 <= seed < 2**32):
            raise SettingError(
                f'The suite {path} has the seed {seed!r}; give whole numbers '
                f'of at least 0.'
            )
    for pair in settings['pairs']:
        if not isinstance(pair, str):
            raise SettingError(
                f'The suite {path} has the pair {pair!r}; give its name, '
                f'teacher_student_recipe.'
            )
    for name in ('pairs', 'seeds'):
        if len(set(settings[name])) < len(settings[name]):
            raise SettingError(
                f'The suite {path} names some of its {name} twice: '
                f'{settings[name]}; name each once.'
            )
    for name in ('epochs', 'teacher_epochs', 'threads'):
        if settings[name] is not None and settings[name] < 1:
            raise SettingError(
                f'The suite {path} has {name}={settings[name]}; give 1 or '
                f'more.'
            )
    for method in settings['methods']:
        keys = list(method) if isinstance(method, dict) else [method]
        if not isinstance(method, dict) or not (
            {'title', 'config'} <= set(keys) <= set(METHOD_KEYS)
        ):
            raise SettingError(
                f'The suite {path} has a method with {sorted(keys, key=str)}; '
                f'a method has a title, a config and perhaps options, '
                f'differs and same_as.'
            )
        for key, value in method.items():
            if not isinstance(value, METHOD_KEYS[key]):
                raise SettingError(
                    f'The suite {path} has a method with {key}={value!r}, '
                    f'but a {METHOD_KEYS[key].__name__} is expected.'
                )
        for name in method.get('differs', ()):
            if name not in SHARED:
                raise SettingError(
                    f"The suite {path} has a method whose '{name}' differs; "
                    f'give some of: {", ".join(SHARED)}.'
                )
    titles = [method['title'] for method in settings['methods']]
    trained = [m['title'] for m in settings['methods'] if 'same_as' not in m]
    for method in settings['methods']:
        if 'same_as' in method and method['same_as'] not in trained:
            raise SettingError(
                f'The suite {path} has {method["title"]} the same_as '
                f"'{method['same_as']}', which is none of the methods that it "
                f'trains: {", ".join(trained)}.'
            )
    if settings['reference'] not in trained:
        raise SettingError(
            f"The suite {path} has no method '{settings['reference']}', with "
            f'which the others are to be compared; set reference to one of: '
            f'{", ".join(trained)}.'
        )
    for number, title in enumerate(titles):
        if title in titles[:number] or title == TEACHER:
            raise SettingError(
                f"The suite {path} has two methods called '{title}'; give "
                f'one of them another title.'
            )


def _check_checkpoints(
    path: Path,
    settings: Dict[str, Any],
    teachers: Dict[str, Optional[Training]],
) -> None:
    """Check that all given teacher checkpoints are used by the suite."""
    known = [name for name, teacher in teachers.items() if teacher]
    for name, given in settings['teacher_checkpoints'].items():
        if not isinstance(given, (str, type(None))):
            raise SettingError(
                f'The suite {path} has teacher_checkpoints of {name!r}: '
                f'{given!r}; give the path of a checkpoint, or None.'
            )
        if name not in known:
            raise SettingError(
                f"The suite {path} has teacher_checkpoints for '{name}', "
                f'which is none of its teachers with a config in '
                f'configs/teachers: {", ".join(known) or "none"}; for others '
                f'write model.teacher_ckpt into the options.'
            )


def _parts(path: Path, pair: str) -> Dict[str, str]:
    """Split the name of a pair into its parts."""
    parts = pair.split('_', 2)
    if len(parts) < 3:
        raise SettingError(
            f"The suite {path} has the pair '{pair}', which is not of the "
            f'form teacher_student_recipe, such as '
            f'resnet56_resnet20_1xb128_cifar10.'
        )
    return dict(zip(('teacher', 'student', 'recipe'), parts), pair=pair)


def _teacher(
    root: Path, name: str, settings: Dict[str, Any]
) -> Optional[Training]:
    """Resolve the training of a teacher, if it has a config."""
    config = f'configs/teachers/{name}.py'
    if not (root / config).is_file():
        return None
    return _trainings(
        root=root,
        pair=name,
        method=TEACHER,
        seeds=[0],
        config=config,
        options=settings['teacher_options'],
        epochs=settings['teacher_epochs'],
        teacher=None,
    )[1][0]


def _trainings(
    root: Path,
    pair: str,
    method: str,
    seeds: Sequence[int],
    config: str,
    options: Dict[str, Any],
    epochs: Optional[int],
    teacher: Optional[str],
) -> Tuple[Config, List[Training]]:
    """Read a config as its trainings will, for several seeds."""
    # The command line nests options that a suite's file writes with dots.
    options = flatten_options(options)
    cfg = load_config_of(root, config, options)
    if epochs is not None:
        options = {**options, **fit_budget(cfg, epochs)}
        cfg = load_config_of(root, config, options)
    format_options(options)  # raises for what a command line can't hold
    if cfg.get('val_cfg') is None or 'max_epochs' not in cfg.train_cfg:
        raise SettingError(
            f"The config '{config}' can't be part of a suite, which reads "
            f'the accuracy of every epoch; give one with '
            f'train_cfg.max_epochs and a val_cfg.'
        )
    trainings = []
    for seed in seeds:
        cfg.merge_from_dict({'randomness.seed': seed})
        trainings.append(
            Training(
                pair=pair,
                method=method,
                seed=seed,
                config=config,
                options={**options, 'randomness.seed': seed},
                epochs=cfg.train_cfg.max_epochs,
                teacher=teacher if 'teacher' in cfg.model else None,
                optim_wrapper=cfg.optim_wrapper.get('type', 'OptimWrapper'),
                digest=digest(cfg),
            )
        )
    return cfg, trainings


def select(
    suite: Suite,
    methods: Optional[Sequence[str]],
    seeds: Optional[Sequence[int]],
) -> Iterator[Training]:
    """Select the students of a suite to train now.

    Raises:
        SettingError: If a method or seed isn't part of the suite.
    """
    titles = [
        method['title']
        for method in suite.settings['methods']
        if 'same_as' not in method
    ]
    for kind, wanted, known in (
        ('method', methods, titles),
        ('seed', seeds, suite.settings['seeds']),
    ):
        for value in wanted or ():
            if value not in known:
                listed = ', '.join(map(str, known))
                raise SettingError(
                    f"The suite {suite.name} has no {kind} '{value}'; it has: "
                    f'{listed}.'
                )
    return (
        training
        for training in suite.students
        if (not methods or training.method in methods)
        and (not seeds or training.seed in seeds)
    )


def narrow(suite: Suite, methods: Sequence[str]) -> Suite:
    """Keep only these methods of a suite, which must have them.

    With them are kept those that compute the same.
    """
    kept = [
        method
        for method in suite.settings['methods']
        if method.get('same_as', method['title']) in methods
    ]
    titles = [method['title'] for method in kept]
    return suite._replace(
        settings={**suite.settings, 'methods': kept},
        students=list(select(suite, methods, None)),
        measured=[t for t in suite.measured if t.method in titles],
    )
