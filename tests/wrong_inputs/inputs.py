"""How a wrong input is written down."""

import shlex
from typing import List, NamedTuple, Tuple

DIGITS = 'configs/{0}/{0}_resnet20_resnet8_1xb64_digits.py'
#: right inputs of tools/train.py, from which the wrong ones start
BASES = {
    'plain': 'configs/teachers/resnet8_1xb64_digits.py',
    **{name: DIGITS.format(name) for name in ('crd', 'dkd', 'kd', 'lakd')},
    # Not in the tree: written as tools/make_config.py does.
    **{
        name: f'{{tmp}}/bases/{name}.py'
        for name in ('at', 'dist', 'fitnet', 'ofd', 'reviewkd', 'rkd')
    },
}
#: what makes their trainings one iteration long
SHORT = (
    'train_dataloader.dataset.indices=32 train_dataloader.batch_size=32 '
    'val_dataloader.dataset.indices=32 test_dataloader.dataset.indices=32 '
    'train_cfg.max_epochs=1 default_hooks.checkpoint.save_best=None'
).split()


class Wrong(NamedTuple):
    """A wrong input.

    Attributes:
        tool (str): File of the tool, in ``tools/``.
        args (list[str]): Its arguments. ``{tmp}`` is a folder of the test's,
            ``{work}`` a work directory of this input's own, ``{config}`` the
            file that holds ``text``.
        words (tuple[str]): What the sentence has to say.
        text (str): Text of a config of its own.
        env (dict): Variables of the environment.
        pending (str): What is not mended yet; the sentence is not checked.
    """

    tool: str
    args: List[str]
    words: Tuple[str, ...]
    text: str = ''
    env: dict = {}
    pending: str = ''


def short_training(base: str) -> List[str]:
    """Write down a right input of tools/train.py.

    Args:
        base (str): One of :data:`BASES`.
    """
    args = [BASES[base], '--work-dir', '{work}', '--cfg-options', *SHORT]
    if base != 'plain':
        args.append('model.teacher_ckpt={tmp}/teacher.pth')
    if base == 'crd':
        loss = 'model.distiller.distill_losses.loss_crd'
        args += [f'{loss}.num_samples=32', f'{loss}.num_negatives=8']
    return args


def options(base: str, *rows: tuple, **kwargs) -> List[Wrong]:
    """Write down wrong ``--cfg-options`` of tools/train.py.

    Args:
        base (str): One of :data:`BASES`.
        rows (tuple): Each the options in one text, then the words.
        kwargs: Of :class:`Wrong`.
    """
    return [
        Wrong(
            'train.py',
            short_training(base) + shlex.split(row[0]),
            row[1:],
            **kwargs,
        )
        for row in rows
    ]


def texts(base: str, *rows: tuple, **kwargs) -> List[Wrong]:
    """Write down wrong configs of tools/train.py, by what they add.

    Args:
        base (str): One of :data:`BASES`.
        rows (tuple): Each a config's text below its ``_base_``, or all of it
            where it has one itself; then the words.
        kwargs: Of :class:`Wrong`.
    """
    wrong = []
    for text, *words in rows:
        if '_base_' not in text:
            path = BASES[base]
            path = path if path.startswith('{tmp}') else f'{{root}}/{path}'
            text = f"_base_ = '{path}'\n{text}"
        wrong.append(
            Wrong(
                'train.py',
                ['{config}', '--work-dir', '{work}'],
                tuple(words),
                text,
                **kwargs,
            )
        )
    return wrong


def calls(tool: str, *rows: tuple, **kwargs) -> List[Wrong]:
    """Write down wrong arguments of a tool.

    Args:
        tool (str): Its file.
        rows (tuple): Each the arguments in one text, then the words.
        kwargs: Of :class:`Wrong`.
    """
    return [
        Wrong(tool, shlex.split(row[0]), row[1:], **kwargs) for row in rows
    ]


#: right inputs of the other tools
RIGHT = [
    *calls(
        'test.py', (BASES['plain'] + ' {tmp}/plain.pth --work-dir {work}',)
    ),
    *calls(
        'analyze.py',
        (
            BASES['lakd'] + ' {tmp}/lakd.pth --teacher {tmp}/teacher.pth '
            '--num-images 8 --probe-images 0 --out {work}',
        ),
    ),
    *calls(
        'visualize.py',
        (
            BASES['lakd'] + ' {tmp}/lakd.pth --teacher {tmp}/teacher.pth '
            '--num 1 --overview 0 --out {work}',
        ),
    ),
    *calls(
        'benchmark_dataloader.py',
        (BASES['plain'] + ' --batches 1 --passes 1',),
    ),
    *calls('benchmark.py', ('--compare {tmp}/a[/b] {tmp}/a[/b]',)),
    *calls('list_networks.py', ('',)),
]
