"""Configs, folders and checkpoints that are not there or damaged."""

from inputs import BASES, calls, options, texts

PLAIN, LAKD = BASES['plain'], BASES['lakd']

CONFIGS = [
    *calls(
        'train.py',
        ('configs/lakd/lakd_digits.py', "'configs/lakd/lakd_digits.py'",
         'lakd_resnet20_resnet8_1xb64_digits.py'),
        ('configs/lakd', "'configs/lakd'"),
        ('README.md', 'README.md'),
        ('{tmp}/empty.py', "'model'"),
        ('{tmp}/picture.py', 'picture.py'),
        ('{tmp}/broken.json', 'broken.json'),
        (PLAIN + ' --ampp', 'unrecognized arguments: --ampp'),
        ('', 'config'),
        (PLAIN + ' --cfg-options train_cfg', "'train_cfg'", 'KEY=VALUE'),
        (PLAIN + ' --cfg-options custom_hooks=[1,2', 'custom_hooks=[1,2'),
        (PLAIN + ' --cfg-options custom_hooks.9.type=A', 'custom_hooks.9'),
        (PLAIN + ' --cfg-options log_level.name=A', 'log_level.name'),
        (PLAIN + ' --cfg-options custom_imports.imports=nothing_there',
         'custom_imports', 'nothing_there'),
        (PLAIN + ' --cfg-options custom_imports.imports=5', 'custom_imports'),
        (PLAIN + ' --cfg-options work_dir=5', 'work_dir=5'),
    ),
    *texts(
        'plain',
        ('model = dict(', 'config.py', 'line 2'),
        ("_base_ = './gone.py'", 'config.py', "'./gone.py'"),
        ("_base_ = './child_of_gone.py'", 'child_of_gone.py', 'gone.py'),
        ("_base_ = './circle_a.py'", 'circle_a.py', 'circle_b.py'),
        ('_base_ = 5', '_base_'),
        ("_base_ = 'mmdet::_base_/default_runtime.py'", 'mmdet'),
        ("_base_ = 'mmpretrain::resnet/resnet9.py'", 'resnet9.py'),
        (
            "_base_ = ['{root}/" + PLAIN + "', '{root}/" + LAKD + "']",
            'Duplicate key',
        ),
        ('train_cfg = dict(max_epochs=epochs)', 'line 2', "'epochs'"),
        ('model = dict(head={{_base_.hed}})', 'config.py', "'hed'"),
        ("raise ValueError('not today')", 'line 2', 'not today'),
        ("custom_imports = dict(imports=['gone_module'])", 'gone_module'),
        ("custom_imports = ['mmrazor_lakd']", 'custom_imports'),
        ("model = 'resnet8'", "model='resnet8'"),
        ('model = dict(backbone=5)', 'backbone'),
        ('custom_hooks = dict(lr=1)', 'custom_hooks'),
    ),
]  # fmt: skip
FOLDERS = calls(
    'train.py',
    (PLAIN + ' --work-dir {tmp}/text.pth', '--work-dir', 'is a file'),
    (PLAIN + ' --work-dir {tmp}/text.pth/a', '--work-dir', 'text.pth'),
    (PLAIN + " --work-dir ''", 'work_dir', 'path of a folder'),
    (PLAIN + ' --work-dir /proc/nothing', '/proc/nothing'),
    (PLAIN + ' --work-dir {tmp}/full', 'No space left on device',
     'resnet8_1xb64_digits.py'),
    (PLAIN + ' --launcher pytorch', '--launcher=pytorch', 'dist_train.sh'),
    (PLAIN + ' --launcher slurm', '--launcher=slurm', 'SLURM_PROCID'),
    (PLAIN + ' --launcher mpi', '--launcher=mpi', 'OMPI_COMM_WORLD_SIZE'),
    (PLAIN + ' --launcher ray', '--launcher', "'ray'"),
    (PLAIN + ' --amp --cfg-options optim_wrapper.type=ApexOptimWrapper',
     '--amp', 'ApexOptimWrapper'),
    (PLAIN + ' --auto-scale-lr --cfg-options auto_scale_lr=None',
     '--auto-scale-lr', 'base_batch_size'),
)  # fmt: skip
RESUME = calls(
    'train.py',
    *(
        (f'{PLAIN} --work-dir {{work}} --resume {path}', *words)
        for path, *words in (
            ('gone.pth', '--resume', 'gone.pth'),
            ('{tmp}', '--resume'),
            ('{tmp}/text.pth', '--resume', 'text.pth'),
            ('{tmp}/empty.pth', '--resume', 'empty.pth'),
            ('{tmp}/truncated.pth', '--resume', 'truncated.pth'),
            ('{tmp}/code.pth', '--resume', 'code.pth'),
            ('{tmp}/pickled.pth', '--resume', 'pickled.pth'),
            ('{tmp}/other.pth', '--resume', 'no state of the optimizer'),
        )
    ),
)
RESUMED = options(
    'plain',
    ('resume=True load_from={tmp}/student.pth', 'student.pth'),
    ('resume=True load_from={tmp}/no_optimizer.pth', 'optimizer'),
    ('resume=True load_from={tmp}/plain.pth optim_wrapper.optimizer.lr=0.03',
     'plain.pth', 'optimizer has lr=0.03', 'load_from'),
    ('resume=True load_from={tmp}/plain.pth train_cfg.max_epochs=7',
     'plain.pth', 'CosineAnnealingLR has', 'train_cfg'),
    ('resume=True load_from={tmp}/plain.pth param_scheduler=None',
     'plain.pth', '2 param_scheduler', 'has 0'),
)  # fmt: skip
TEST = calls(
    'test.py',
    *(
        (f'{PLAIN} {{tmp}}/{rest} --work-dir {{work}}', *words)
        for rest, *words in (
            ('gone.pth', 'checkpoint', 'gone.pth'),
            ('text.pth', 'checkpoint', 'text.pth'),
            ('empty.pth', 'checkpoint', 'empty.pth'),
            ('truncated.pth', 'checkpoint', 'truncated.pth'),
            ('code.pth', 'checkpoint', 'code.pth'),
            ('other.pth', 'checkpoint', 'another architecture'),
            ('plain.pth --out a.txt', '--out', '.pkl'),
            ('plain.pth --out-item metrics', '--out-item', '--out FILE'),
            ('plain.pth --out {tmp}/text.pth/a.pkl', '--out', 'text.pth'),
            ('plain.pth --out {tmp}/full/full.json --out-item metrics',
             'No space left on device', 'full.json'),
            ('plain.pth --cfg-options test_cfg=None', 'test_cfg'),
            ('plain.pth --cfg-options test_dataloader.batch_size=0',
             'test_dataloader.batch_size=0'),
            ('plain.pth --cfg-options test_dataloader.dataset.indices=0',
             'test_dataloader', 'no image'),
            ('plain.pth --cfg-options test_evaluator.type=Acc',
             'test_evaluator', 'Accuracy'),
            ('plain.pth --cfg-options tset_cfg.fp16=True', 'test_cfg.fp16'),
            ('plain.pth --cfg-options model.head.in_channels=3',
             'another architecture'),
        )
    ),
)  # fmt: skip
