"""One training of a suite: its settings, and how it is called."""

import re
from typing import Any, Dict, List, NamedTuple, Optional, Union

from ...config_check import reduce
from ...errors import SettingError


def split_pair(suite: str, pair: str) -> Dict[str, str]:
    """Split the name of a pair into its parts."""
    parts = pair.split('_', 2)
    if len(parts) < 3:
        raise SettingError(
            f"The suite {suite} has the pair '{pair}', which is not of the "
            f'form teacher_student_recipe, such as '
            f'resnet56_resnet20_1xb128_cifar10.'
        )
    return dict(zip(('teacher', 'student', 'recipe'), parts), pair=pair)


def teacher_name(suite: str, pair: str) -> str:
    """Return the name of the config of a pair's teacher."""
    parts = split_pair(suite, pair)
    return f'{parts["teacher"]}_{parts["recipe"]}'


def config_of(method: Dict[str, Any], pair: str, suite: str) -> str:
    """Return the path of a method's config for a pair.

    Args:
        method (dict): One of a suite's methods.
        pair (str): Name of the pair.
        suite (str): The suite's file or title, for the message.

    Raises:
        SettingError: If the path has other placeholders than there are.
    """
    parts = split_pair(suite, pair)
    try:
        return method['config'].format(**parts)
    except (AttributeError, IndexError, KeyError, ValueError) as error:
        known = ', '.join(f'{{{name}}}' for name in parts)
        raise SettingError(
            f'The suite {suite} has {method["title"]} with the config '
            f"'{method['config']}', whose placeholders can't be filled in "
            f'({reduce(error)}); there are {known}.'
        ) from error


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
        teacher_ckpt (str | list | None): The checkpoint that its config names,
            which counts for a teacher without a config.
        optim_wrapper (str): Type of its optimizer wrapper, which decides the
            precision.
        amp_dtype (str | None): The wrapper's ``dtype``, if it has one.
        digest (str): Hash of all settings that decide its result.
        seedless (str): The same without the seed, by which earlier versions
            told what a cost was measured with.
        cost_digest (str): Hash of all settings that decide the cost of a step.
    """

    pair: str
    method: str
    seed: int
    config: str
    options: Dict[str, Any]
    epochs: int
    teacher: Optional[str]
    teacher_ckpt: Union[None, str, List[Optional[str]]]
    optim_wrapper: str
    amp_dtype: Optional[str]
    digest: str
    seedless: str
    cost_digest: str

    @property
    def name(self) -> str:
        """str: A name for files, unique to this training and its settings."""
        return name_training(self.pair, self.method, self.seed, self.digest)
