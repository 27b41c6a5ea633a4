"""What a suite's file may say."""

from pathlib import Path
from typing import Any, Dict

from ...errors import SettingError, is_number, nearest
from .configs import SHARED, flatten_options

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
#: the title under which teachers are trained, which no method may have
TEACHER = 'teacher'


def check_settings(path: Path, settings: Dict[str, Any]) -> None:
    """Check that a suite is complete and its settings are valid.

    Args:
        path (Path): The suite's file.
        settings (dict): What it says.

    Raises:
        SettingError: If a setting is missing, unknown or wrong.
    """
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
        _check_method(path, method)
    _check_titles(path, settings)
    for name in ('options', 'teacher_options'):
        _check_options(path, name, settings[name], settings)
    for method in settings['methods']:
        place = f'the options of {method["title"]}'
        _check_options(path, place, method.get('options', {}), settings)


def _check_options(
    path: Path, place: str, options: Dict[str, Any], settings: Dict[str, Any]
) -> None:
    """Check that options hold nothing that the suite itself decides."""
    teacher = place == 'teacher_options'
    own = {'randomness.seed': 'seeds'}
    epochs = 'teacher_epochs' if teacher else 'epochs'
    if settings[epochs] is not None:
        own['train_cfg.max_epochs'] = epochs
    for name in flatten_options(options):
        if name in own:
            cure = f'set {own[name]} of the suite'
            if teacher and own[name] == 'seeds':
                cure = 'its teachers have the seed 0'
            raise SettingError(
                f'The suite {path} has {name} in {place}, where it would '
                f'have no effect; leave it out: {cure}.'
            )


def _check_method(path: Path, method: Any) -> None:
    """Check one entry of a suite's methods."""
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


def _check_titles(path: Path, settings: Dict[str, Any]) -> None:
    """Check that the methods' titles differ, and those that they refer to."""
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
