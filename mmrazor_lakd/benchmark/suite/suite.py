"""A suite of trainings, as described in configs/benchmark/."""

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
from ...config_check.epoch_counts import check_stops
from ...errors import SettingError, nearest
from .budget import fit_budget
from .configs import (
    describe_wrapper,
    digest,
    flatten_options,
    format_options,
    load_config_of,
    merge_options,
)
from .cost_digest import cost_digest
from .evaluators import measures_accuracy
from .settings import TEACHER, check_settings
from .shared_parts import Parts, check_shared, read_parts
from .suite_checks import (
    COST_ALONE,
    check_checkpoints,
    check_names,
    check_no_checkpoint,
    check_same,
    check_teacher_options,
)
from .training import Training, config_of, teacher_name


class Suite(NamedTuple):
    """The trainings of a suite.

    Attributes:
        name (str): Name of its file.
        settings (dict): Those of :data:`~.settings.SETTINGS`.
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
        SettingError: If the suite lacks a setting, has one without effect, or
            one of its configs is missing or trains nothing.
    """
    settings = read_config_file(str(path), options, training=False).to_dict()
    check_settings(path, settings)
    check_teacher_options(path, settings, options or {})
    teachers, students, measured = {}, [], []
    for pair in settings['pairs']:
        teacher = teacher_name(str(path), pair)
        if teacher not in teachers:
            teachers[teacher] = _teacher(root, teacher, settings)
        shared: List[Parts] = []
        computed: Dict[str, str] = {}
        for method in settings['methods']:
            # The command line nests options that a suite's file writes with
            # dots, and either is overridden setting by setting.
            own = flatten_options(method.get('options', {}))
            given = merge_options(flatten_options(settings['options']), own)
            if teachers[teacher] is not None:
                check_no_checkpoint(path, method['title'], given, teacher)
            cfg, trainings = _trainings(
                root=root,
                pair=pair,
                method=method['title'],
                seeds=settings['seeds'],
                config=config_of(method, pair, str(path)),
                options=given,
                epochs=settings['epochs'],
                teacher=teacher,
                threads=settings['threads'],
            )
            title = f"The config '{trainings[0].config}' of {method['title']}"
            found = read_parts(cfg, list(own), method.get('differs', ()))
            check_shared(title, pair, found, shared)
            shared.append(found)
            measured.append(trainings[0])
            for name in COST_ALONE:
                cfg.model.pop(name, None)
            computed[method['title']] = digest(cfg)
            if 'same_as' not in method:
                students += trainings
        check_same(path, settings['methods'], computed)
    check_checkpoints(path, settings, teachers)
    check_names(path, students)
    students.sort(key=lambda t: settings['seeds'].index(t.seed))
    return Suite(path.stem, settings, teachers, students, measured)


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
        options=flatten_options(settings['teacher_options']),
        epochs=settings['teacher_epochs'],
        teacher=None,
        threads=settings['threads'],
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
    threads: int,
) -> Tuple[Config, List[Training]]:
    """Read a config as its trainings will, for several seeds."""
    cfg = load_config_of(root, config, options)
    if cfg.get('val_cfg') is None or 'max_epochs' not in cfg.train_cfg:
        raise SettingError(
            f"The config '{config}' can't be part of a suite, which reads "
            f'the accuracy of every epoch; give one with '
            f'train_cfg.max_epochs and a val_cfg.'
        )
    if not measures_accuracy(cfg):
        raise SettingError(
            f"The config '{config}' can't be part of a suite, which reads the "
            f'top-1 accuracy of every epoch, since its val_evaluator measures '
            f"none; add dict(type='mmpretrain.Accuracy', topk=(1,))."
        )
    if epochs is not None:
        options = {**options, **fit_budget(cfg, epochs, options)}
        cfg = load_config_of(root, config, options)
    check_stops(cfg)
    format_options(options)  # raises for what a command line can't hold
    trainings = []
    optim_wrapper, amp_dtype = describe_wrapper(cfg)
    cfg.merge_from_dict({'randomness.seed': None})
    seedless, cost = digest(cfg), cost_digest(cfg, threads)
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
                teacher_ckpt=cfg.model.get('teacher_ckpt'),
                optim_wrapper=optim_wrapper,
                amp_dtype=amp_dtype,
                digest=digest(cfg),
                seedless=seedless,
                cost_digest=cost,
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
    every = suite.settings['methods']
    same = {m['title']: m['same_as'] for m in every if 'same_as' in m}
    titles = [m['title'] for m in every if 'same_as' not in m]
    for title in methods or ():
        if title in same:
            raise SettingError(
                f"The suite {suite.name} has '{title}' with '{same[title]}', "
                f'whose training it is; name that one.'
            )
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

    With them are kept those that compute the same, and the reference, with
    which they are compared.
    """
    kept = [
        method
        for method in suite.settings['methods']
        if method.get('same_as', method['title']) in methods
    ]
    titles = [method['title'] for method in kept]
    titles.append(suite.settings['reference'])
    return suite._replace(
        settings={**suite.settings, 'methods': kept},
        students=[t for t in suite.students if t.method in titles],
        measured=[t for t in suite.measured if t.method in titles],
    )
