"""LAKD with a learned connector and with projected maps, on small digits.

    python docs/lab/projected_maps/compare_on_digits.py --seeds 5

A teacher with four times the student's width is trained first, on images of
16 x 16 pixels. Every line is a training; the last ones are the means of the
differences of two trainings with one seed.
"""

import argparse
import copy
import statistics
from pathlib import Path

from mmengine.registry import DefaultScope
from mmengine.runner import Runner

import mmrazor_lakd  # noqa: F401  before anything of MMPretrain's
from mmrazor_lakd.backbones import cifar_resnet
from mmrazor_lakd.config_check import read_config_file
from mmrazor_lakd.datasets import Digits

ROOT = Path(__file__).parents[3]
PAIR = 'resnet20_resnet8_1xb64_digits'
#: channels of the stem and of the three stages
cifar_resnet.ARCH_SETTINGS.update(
    teacher=(8, (32, 32, 64, 128)), student=(8, (8, 8, 16, 32))
)
whole_arrays = Digits.load_arrays


def small_arrays(self):
    images, labels = whole_arrays(self)
    return images[..., ::2, ::2].contiguous(), labels


Digits.load_arrays = small_arrays


def train(cfg, folder, epochs, seed):
    """Train; return the accuracy after the last epoch, in percent."""
    cfg = copy.deepcopy(cfg)
    cfg.work_dir = str(folder)
    cfg.experiment_name = '_'.join(folder.parts[-2:])
    cfg.log_level = 'ERROR'
    cfg.randomness = dict(seed=seed)
    cfg.train_cfg.update(max_epochs=epochs, val_interval=epochs + 1)
    cfg.train_dataloader.dataset.pipeline[0].padding = 2
    cfg.default_hooks.checkpoint.update(interval=epochs, save_best=None)
    runner = Runner.from_cfg(cfg)
    runner.train()
    accuracy = runner.val_loop.run()['accuracy/top1']
    DefaultScope._instance_dict.clear()
    return accuracy


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--seeds', type=int, default=5)
    parser.add_argument('--epochs', type=int, default=15)
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs/projected_maps')
    )
    args = parser.parse_args()
    cfg = read_config_file(
        str(ROOT / 'configs/teachers/resnet20_1xb64_digits.py')
    )
    cfg.model.backbone.depth = 'teacher'
    cfg.model.head.in_channels = 128
    teacher = args.out / 'teacher'
    accuracy = train(cfg, teacher, args.epochs, seed=0)
    print(f'teacher {accuracy:.2f}', flush=True)

    cfg = read_config_file(str(ROOT / f'configs/lakd/lakd_{PAIR}.py'))
    cfg.model.update(teacher_ckpt=str(teacher / f'epoch_{args.epochs}.pth'))
    cfg.model.teacher.backbone.depth = 'teacher'
    cfg.model.teacher.head.in_channels = 128
    cfg.model.architecture.backbone.depth = 'student'
    cfg.model.architecture.head.in_channels = 32
    differences = {'preact': [], 'output': []}
    for seed in range(args.seeds):
        for maps, found in differences.items():
            both = []
            for projected in (False, True):
                cfg.model.distiller.local_modules.maps = maps
                cfg.model.distiller.project_maps = projected
                name = f'{maps}_{projected}_{seed}'
                both.append(train(cfg, args.out / name, args.epochs, seed))
            found.append(both[1] - both[0])
            print(
                f'{maps}, seed {seed}: learned {both[0]:.2f}, '
                f'projected {both[1]:.2f}',
                flush=True,
            )
    for maps, found in differences.items():
        error = statistics.stdev(found) / len(found) ** 0.5
        print(
            f'{maps}: projected - learned {statistics.mean(found):+.2f}, '
            f'standard error {error:.2f}'
        )


if __name__ == '__main__':
    main()
