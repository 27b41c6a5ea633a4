"""Which configs to measure, as given on the command line."""

import argparse
import re
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence

from mmengine.config import DictAction

from ...config_check import check_config
from ...errors import SettingError, nearest
from .measure import CostSettings

#: sections of a config that a measured training uses
USED = (
    'model',
    'data_preprocessor',
    'train_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'custom_hooks',
    'randomness',
    'env_cfg',
)
# a comma before the next key=value, not one inside a list
SEPARATOR = re.compile(r',(?=[\w.\-]+=)')


class Job(NamedTuple):
    """One config to measure."""

    label: str
    config: str
    options: List[str]

    @property
    def text(self) -> str:
        """str: As given on the command line."""
        return ','.join([self.config, *self.options, f'label={self.label}'])


def parse_job(text: str) -> Job:
    """Split a config from the options that follow it after commas.

    Examples:
        >>> job = parse_job('configs/kd/a.py,model.type=B,x.y=[1,2]')
        >>> job.config, job.options
        ('configs/kd/a.py', ['model.type=B', 'x.y=[1,2]'])
        >>> job.label
        'a,model.type=B,x.y=[1,2]'
        >>> parse_job('configs/kd/a.py,label=my own').label
        'my own'
    """
    config, *options = SEPARATOR.split(text)
    labels = [o[len('label=') :] for o in options if o.startswith('label=')]
    options = [o for o in options if not o.startswith('label=')]
    label = labels[-1] if labels else ','.join([Path(config).stem, *options])
    return Job(label, config, options)


def parse_options(texts: Sequence[str], config: str) -> Dict[str, Any]:
    """Read the options of one config.

    Args:
        texts (Sequence[str]): Each KEY=VALUE; later ones win.
        config (str): The config they belong to, for the message.

    Raises:
        SettingError: If they can't be read.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument('--options', nargs='*', action=DictAction)
    try:
        return parser.parse_args(['--options', *texts]).options
    except (AssertionError, ValueError) as error:  # raised by DictAction
        raise SettingError(
            f'The options {" ".join(texts)} of {config} can not be read; '
            f'write KEY=VALUE, with brackets in pairs.'
        ) from error


def find_reference(text: str, jobs: Sequence[Job]) -> Job:
    """Find the reference among the configs.

    Args:
        text (str): Its label, or its position, counted from 1.
        jobs (Sequence[Job]): The configs.

    Raises:
        SettingError: If there is no such config.
    """
    labels = [job.label for job in jobs]
    places = [str(number) for number in range(1, len(jobs) + 1)]
    for known in (labels, places):
        if text in known:
            return jobs[known.index(text)]
    raise SettingError(
        f"--reference={text} is neither a config's label nor its place from "
        f'1 to {len(jobs)}; the nearest labels are: {nearest(text, labels)}.'
    )


def make_settings(args: argparse.Namespace, job: Job) -> CostSettings:
    """Build the settings for measuring one config.

    Args:
        args (Namespace): As ``tools/analyze_cost.py`` parses it.
        job (Job): The config; its own options win.

    Raises:
        SettingError: If its options can't be read.
    """
    own = parse_options(job.options, job.config)
    return CostSettings(
        config=job.config,
        options={**(args.cfg_options or {}), **own},
        work_dir=str(args.out / 'work_dirs'),
        batch_size=args.batch_size,
        synthetic_data=args.synthetic_data,
        image_size=args.image_size,
        rounds=args.rounds,
        steps=args.steps,
        warmup=args.warmup,
    )


def check_jobs(args: argparse.Namespace, jobs: Sequence[Job]) -> None:
    """Raise now what would otherwise be raised after an hour.

    Raises:
        SettingError: If a config is missing or trains nothing, or two have
            the same label.
    """
    replaced = ('train_dataloader',) if args.synthetic_data else ()
    for number, job in enumerate(jobs):
        cfg = make_settings(args, job).load()
        check_config(cfg, used=[n for n in USED if n not in replaced])
        if job.label in [other.label for other in jobs[:number]]:
            raise SettingError(
                f"Two configs are called '{job.label}'; tell them apart by "
                f'label=NAME behind a comma.'
            )
