"""Writes the config of a method for two networks, yours or this project's.

For two networks of your own::

    python tools/make_config.py --method lakd --student my_student.py \
        --teacher my_teacher.py --teacher-checkpoint my_teacher.pth \
        --out my_lakd.py

For a pair of this project, at its usual path::

    python tools/make_config.py --method reviewkd \
        --pair vgg13_vgg8_1xb64_cifar100
"""

import argparse
from functools import partial
from pathlib import Path

from mmrazor_lakd.cli import add_debug_argument, positive, run_tool
from mmrazor_lakd.config_writer import (
    check_path,
    choose,
    config_path,
    config_text,
    configs_folder,
    own_config_text,
    write_text,
)
from mmrazor_lakd.errors import SettingError

OWN = ('student', 'teacher', 'teacher_checkpoint')
OF_OWN = (*OWN, 'num_modules', 'cuts', 'strong_teacher', 'input_size')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--method',
        required=True,
        help='lakd, kd, dkd, ...: a file in configs/_base_/distillers; cwd or '
        "pkd for detectors and segmentors; with --pair also 'alone', the "
        'student without a teacher',
    )
    parser.add_argument(
        '--pair', help='a pair of this project, a file in configs/_base_/pairs'
    )
    own = parser.add_argument_group('networks of your own')
    own.add_argument(
        '--student',
        metavar='CONFIG',
        help='config that trains the student alone: a file, or '
        'package::folder/name.py of mmpretrain, mmdet or mmseg',
    )
    own.add_argument(
        '--teacher', metavar='CONFIG', help='that of the teacher, likewise'
    )
    own.add_argument(
        '--teacher-checkpoint', metavar='FILE', help='weights of the teacher'
    )
    own.add_argument(
        '--strong-teacher',
        action='store_true',
        help='say that the teacher is clearly better than the student alone: '
        "LAKD's head then learns OFD's maps, where widths agree",
    )
    cuts = own.add_mutually_exclusive_group()
    cuts.add_argument(
        '--num-modules',
        type=positive,
        metavar='K',
        help='cut the student into K modules, for the least memory (default: '
        'at most 4 if the head learns logits, else 2)',
    )
    cuts.add_argument(
        '--cuts',
        nargs='+',
        default=[],
        metavar='STUDENT=TEACHER',
        help='cut the student behind these modules, to learn the maps of '
        "these of the teacher's",
    )
    own.add_argument(
        '--input-size',
        nargs=2,
        type=positive,
        metavar=('HEIGHT', 'WIDTH'),
        help="of the training images (default: as the student's config says)",
    )
    parser.add_argument(
        '--out',
        type=Path,
        help='the file to write (default for a pair: '
        'configs/METHOD/METHOD_PAIR.py)',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace a config that is there',
    )
    add_debug_argument(parser)
    return parser.parse_args()


def check_args(args: argparse.Namespace) -> None:
    """Raise if the arguments are not those of one kind of pair."""
    given = [name for name in OF_OWN if getattr(args, name)]
    options = [f'--{name.replace("_", "-")}' for name in given]
    if args.pair and given:
        raise SettingError(
            f'--pair names a pair of this project, and {", ".join(options)} '
            f'are for networks of your own; write one of the two.'
        )
    missing = [name for name in (*OWN, 'out') if not getattr(args, name)]
    if not args.pair and missing:
        raise SettingError(
            'Write --pair NAME, or for networks of your own --student CONFIG '
            '--teacher CONFIG --teacher-checkpoint FILE --out FILE.py; here '
            f'lacks {", ".join(f"--{n}" for n in missing)}.'.replace('_', '-')
        )
    if args.method != 'lakd' and set(given) - set((*OWN, 'input_size')):
        raise SettingError(
            f'--num-modules, --cuts and --strong-teacher are for --method '
            f'lakd, not {args.method}; leave them out.'
        )


def main(args: argparse.Namespace) -> None:
    """Write the config and print how to train with it."""
    check_args(args)
    configs = configs_folder()
    if args.pair:
        choice = choose(configs, args.method, args.pair)
        out = args.out or config_path(configs, args.method, args.pair)
        check_path(out)
        text = config_text(choice, out.parent)
    else:
        out = args.out
        check_path(out, (args.student, args.teacher))
        text = own_config_text(
            configs,
            args.method,
            args.student,
            args.teacher,
            args.teacher_checkpoint,
            out.parent,
            args.num_modules,
            args.cuts,
            args.strong_teacher,
            args.input_size and tuple(args.input_size),
        )
    write_text(text, out, args.overwrite)
    print(f'python tools/train.py {out}')


if __name__ == '__main__':
    arguments = parse_args()
    run_tool(partial(main, arguments), arguments.debug)
