"""What a suite's file becomes."""

import hashlib
import json

import pytest
import torch
from conftest import ROOT
from filelock import FileLock
from mmengine.config import Config
from mmengine.optim import AmpOptimWrapper
from mmengine.registry import HOOKS

from mmrazor_lakd.benchmark.cost.jobs import parse_options
from mmrazor_lakd.benchmark.suite.budget import fit_budget
from mmrazor_lakd.benchmark.suite.comparability import (
    precision,
    recorded_precision,
)
from mmrazor_lakd.benchmark.suite.configs import (
    KNOWN_HOOKS,
    SHARED,
    describe_wrapper,
    format_options,
    load_config_of,
)
from mmrazor_lakd.benchmark.suite.configs import (
    digest as digest_of,
)
from mmrazor_lakd.benchmark.suite.cost_digest import cost_digest
from mmrazor_lakd.benchmark.suite.costs import (
    describe_outdated,
    find_outdated,
)
from mmrazor_lakd.benchmark.suite.report import describe_differences
from mmrazor_lakd.benchmark.suite.results import (
    RESULT_KEYS,
    hash_weights,
    read_json,
    read_results,
    write_result,
)
from mmrazor_lakd.benchmark.suite.runner import KEEPING, SuiteRunner
from mmrazor_lakd.benchmark.suite.shared_parts import (
    check_shared,
    read_parts,
)
from mmrazor_lakd.benchmark.suite.suite import (
    find_suite,
    load_suite,
    narrow,
    select,
)
from mmrazor_lakd.benchmark.suite.table import make_table
from mmrazor_lakd.config_check.epoch_counts import check_stops
from mmrazor_lakd.distillers.curriculum import Curriculum
from mmrazor_lakd.errors import SettingError

FOLDER = ROOT / 'configs' / 'benchmark'
LAB = ROOT / 'docs' / 'lab' / 'suites'
TINY = ROOT / 'tests' / 'benchmark' / 'tiny_suite.py'
ALONE = 'configs/teachers/{student}_{recipe}.py'
KD = ROOT / 'configs' / 'kd' / 'kd_resnet20_resnet8_1xb64_digits.py'
SUITES = sorted([*FOLDER.glob('*.py'), *LAB.glob('*.py')])


@pytest.fixture(scope='module')
def tiny():
    return load_suite(TINY, ROOT)


@pytest.mark.parametrize('path', SUITES, ids=lambda p: p.stem)
def test_every_suite_resolves(path):
    suite = load_suite(path, ROOT, {'seeds': [0]})
    pairs, methods = suite.settings['pairs'], suite.settings['methods']
    trained = [method for method in methods if 'same_as' not in method]
    assert len(suite.students) == len(pairs) * len(trained)
    assert len(suite.measured) == len(pairs) * len(methods)
    assert len({t.name for t in suite.students}) == len(suite.students)
    for student in suite.students:
        assert (student.teacher is None) == (student.method == 'alone')
        # of the literature's teachers for CIFAR all can be trained
        if student.teacher and path.stem != 'imagenet':
            assert suite.teachers[student.teacher]
        images = student.options.get('train_dataloader.dataset.indices')
        if images and '/crd/' in str(student.config):
            # CRD's memory has a place for each of a split's images, too.
            crd = 'model.distiller.distill_losses.loss_crd'
            assert student.options[f'{crd}.num_samples'] == images


def test_seed_by_seed(tiny):
    assert [(t.seed, t.method) for t in tiny.students] == [
        (seed, method)
        for seed in (0, 1)
        for method in ('alone', 'KD', 'LAKD, no cuts')
    ]
    (teacher,) = tiny.teachers.values()
    assert teacher.epochs == 2 and teacher.teacher is None
    assert {t.epochs for t in tiny.students} == {3}
    isolate = 'model.distiller.local_modules.0.isolate'
    assert tiny.students[2].options[isolate] is False
    assert tiny.students[2].name.startswith(
        'resnet20_resnet8_1xb64_digits-lakd-no-cuts-seed0-'
    )


def digest(**options):
    settings = {'epochs': 3, 'seeds': [0], **options}
    return load_suite(TINY, ROOT, settings).students[1].digest


def test_names_tell_settings_apart_and_not_places():
    same = digest()
    assert digest() == same
    for name, value in (
        ('train_dataloader.num_workers', 2),
        ('default_hooks.logger.interval', 1),
        ('work_dir', 'elsewhere'),
    ):
        assert digest(options={**OPTIONS, name: value}) == same
    for name, value in (
        ('optim_wrapper.optimizer.lr', 0.3),
        ('train_dataloader.batch_size', 32),
        ('model.architecture.head.loss.loss_weight', 0.2),
    ):
        assert digest(options={**OPTIONS, name: value}) != same
    assert digest(epochs=4) != same
    assert digest(seeds=[1]) != same


OPTIONS = {
    'train_dataloader.dataset.indices': 192,
    'val_dataloader.dataset.indices': 200,
}


def test_steps_of_the_learning_rate_move_with_the_budget():
    suite = load_suite(FOLDER / 'cifar10.py', ROOT, {'epochs': 24})
    options = suite.students[0].options
    assert options['param_scheduler.milestones'] == [15, 18, 21]
    assert options['train_cfg.max_epochs'] == 24
    unchanged = load_suite(FOLDER / 'cifar10.py', ROOT).students[0]
    assert unchanged.epochs == 240
    assert unchanged.options == {'randomness.seed': 0}


def test_warm_ups_move_with_the_budget():
    suite = load_suite(FOLDER / 'cifar10_short.py', ROOT)
    loss = 'model.distiller.distill_losses.loss_{}'
    for method, name in (
        ('DKD', 'dkd'),
        ('LAKD', 'dkd'),
        ('ReviewKD', 'review'),
    ):
        student = next(t for t in suite.students if t.method == method)
        name = loss.format(name)
        assert student.options[f'{name}.epochs'] is None
        assert student.options[f'{name}.fraction'] == 20 / 240
    assert suite.students[0].optim_wrapper == 'Bfloat16OptimWrapper'
    teacher = suite.teachers['resnet56_1xb128_cifar10']
    assert teacher.optim_wrapper == 'Bfloat16OptimWrapper'
    assert teacher.epochs == 15
    assert 'param_scheduler.milestones' not in teacher.options


def fit(epochs, *schedulers, given=(), **distiller):
    """What is changed of a config, without the number of epochs."""
    cfg = Config(
        dict(
            train_cfg=dict(max_epochs=100),
            param_scheduler=list(schedulers),
            model=dict(distiller=distiller),
        )
    )
    options = fit_budget(cfg, epochs, given)
    assert options.pop('train_cfg.max_epochs') == epochs
    return options


def test_schedulers_that_count_epochs_move():
    whole = dict(type='CosineAnnealingLR', T_max=100, by_epoch=True, end=100)
    assert fit(10, whole) == {
        'param_scheduler.0.T_max': 10,
        'param_scheduler.0.end': 10,
    }
    assert fit(100, whole) == {}
    # The suite's own options are for its number of epochs.
    assert fit(10, whole, given={'param_scheduler.0.T_max': 8}) == {
        'param_scheduler.0.end': 10
    }
    assert fit(10, dict(whole, by_epoch=False)) == {}
    assert fit(10, dict(type='StepLR', step_size=30)) == {
        'param_scheduler.0.step_size': 3
    }
    plateau = dict(type='mmengine.ReduceOnPlateauLR', patience=5, cooldown=0)
    assert fit(10, plateau) == {'param_scheduler.0.patience': 1}
    restart = dict(type='CosineRestartLR', periods=[20, 80])
    assert fit(50, restart) == {'param_scheduler.0.periods': [10, 40]}


def test_warm_up_of_the_learning_rate():
    cosine = dict(type='CosineAnnealingLR')
    linear = dict(type='LinearLR', by_epoch=True, end=5)
    # A factor of the whole schedule, as long as it fits.
    assert fit(20, linear, cosine) == fit(5, linear, cosine) == {}
    assert fit(2, linear, cosine) == {'param_scheduler.0.end': 1}
    # Another one follows it.
    assert fit(20, linear, dict(cosine, begin=5, end=100)) == {
        'param_scheduler.0.end': 1,
        'param_scheduler.1.begin': 1,
        'param_scheduler.1.end': 20,
    }
    # It is no warm-up.
    decay = dict(linear, end=100, start_factor=1.0, end_factor=0.0)
    assert fit(200, decay) == {'param_scheduler.0.end': 200}
    late = dict(decay, begin=50)
    assert fit(200, late) == {
        'param_scheduler.0.begin': 100,
        'param_scheduler.0.end': 200,
    }


@pytest.mark.parametrize('epochs', range(2, 11))
def test_a_cosine_ends_with_its_schedule(epochs):
    """However its begin and its end are rounded."""
    warm_up = dict(type='LinearLR', by_epoch=True, end=5)
    cosine = dict(type='CosineAnnealingLR', T_max=95, begin=5, end=100)
    found = fit(epochs, warm_up, cosine)
    begin, end, length = (
        found[f'param_scheduler.1.{name}']
        for name in ('begin', 'end', 'T_max')
    )
    assert end == epochs and length == end - begin
    # Other lengths are the config's own.
    half = fit(epochs, warm_up, dict(cosine, T_max=190))
    assert half['param_scheduler.1.T_max'] == round(1.9 * epochs)


def test_the_end_of_a_distillation_moves():
    def fit_stop(stop, epochs, given=()):
        hooks = [dict(type='EmptyCacheHook')]
        hooks.append(dict(type='mmrazor.StopDistillHook', stop_epoch=stop))
        loop = dict(max_epochs=240)
        cfg = dict(train_cfg=loop, model={}, custom_hooks=hooks)
        found = fit_budget(Config(cfg), epochs, given)
        return found.get('custom_hooks.1.stop_epoch')

    assert fit_stop(120, 240) is None
    assert [fit_stop(120, epochs) for epochs in (10, 2, 480)] == [5, 1, 240]
    # an epoch is left on each side
    assert (fit_stop(1, 10), fit_stop(239, 10)) == (1, 9)
    assert fit_stop(0, 10) == 0
    assert fit_stop(5, 10, given=['custom_hooks.1.stop_epoch']) is None


@pytest.mark.parametrize(
    ('stop', 'loop', 'message'),
    [
        (5, dict(max_epochs=5), r'\[0\].stop_epoch=5 would .* after 5 epochs'),
        (1, dict(max_iters=9), 'stop_epoch=1 would .* counts no epochs'),
        ('1', dict(max_epochs=5), "stop_epoch='1'; write an integer of at"),
        (4, dict(max_epochs=5), None),
        (0, dict(max_iters=9), None),
    ],
)
def test_a_distillation_that_would_not_end(stop, loop, message):
    hook = dict(type='mmrazor.StopDistillHook', stop_epoch=stop)
    cfg = dict(train_cfg=loop, custom_hooks=[hook])
    if message is None:
        check_stops(cfg)
        return
    with pytest.raises(SettingError, match=message):
        check_stops(cfg)


def test_lengths_of_the_curriculum_move():
    options = fit(
        10,
        progressive=dict(epochs=20),
        feed=dict(fraction=0.5),
        local_phase=dict(epochs=50),
    )
    assert options == {
        'model.distiller.progressive.epochs': None,
        'model.distiller.progressive.fraction': 0.2,
        'model.distiller.local_phase.epochs': None,
        'model.distiller.local_phase.fraction': 0.5,
    }
    for name in ('progressive', 'local_phase'):
        length = dict(
            epochs=None, fraction=options[f'model.distiller.{name}.fraction']
        )
        Curriculum(**{'progressive': None, 'feed': 'student', name: length})


def test_warm_ups_of_a_distillers_own_losses_move():
    distiller = Config.fromfile(ROOT / 'configs/_base_/distillers/fcfd.py')
    cfg = Config(
        dict(
            train_cfg=dict(max_epochs=240),
            model=dict(distiller=distiller.fcfd_distiller.to_dict()),
        )
    )
    loss = 'model.distiller.feature_loss'
    assert fit_budget(cfg, 24) == {
        'train_cfg.max_epochs': 24,
        f'{loss}.epochs': None,
        f'{loss}.fraction': 20 / 240,
    }


def test_what_a_method_changes_itself_may_differ():
    lr = {'optim_wrapper.optimizer.lr': 0.5}
    methods = load_suite(TINY, ROOT).settings['methods']
    methods[1]['options'] = lr
    suite = load_suite(TINY, ROOT, {'methods': methods})
    assert suite.students[1].options.items() >= lr.items()


def test_options_of_a_suite_and_of_a_method_are_merged():
    """Written with dots or nested; the method's go first."""
    methods = load_suite(TINY, ROOT).settings['methods']
    methods[1]['options'] = {
        'optim_wrapper': {'accumulative_counts': 2},
        'train_dataloader.dataset.indices': 50,
    }
    given = {
        'methods': methods,
        'options.optim_wrapper.optimizer.lr': 0.05,
        'options.train_dataloader.dataset.indices': 96,
    }
    suite = load_suite(TINY, ROOT, given)
    alone, kd = (training.options for training in suite.students[:2])
    for options, indices in ((alone, 96), (kd, 50)):
        assert options['optim_wrapper.optimizer.lr'] == 0.05
        assert options['train_dataloader.dataset.indices'] == indices
    assert kd['optim_wrapper.accumulative_counts'] == 2


@pytest.mark.parametrize(
    ('written', 'part'),
    [
        ("load_from = 'a.pth'", 'load_from'),
        (
            'model = dict(architecture=dict(backbone=dict(depth=20)))',
            'backbone',
        ),
        # beside an option of the method's own in the same section
        ('optim_wrapper = dict(optimizer=dict(lr=0.5))', 'optim_wrapper'),
    ],
)
def test_methods_may_differ_in_nothing_else(tmp_path, written, part):
    config = tmp_path / 'config.py'
    config.write_text(f"_base_ = ['{KD}']\n{written}\n")
    methods = load_suite(TINY, ROOT).settings['methods']
    methods[1] = dict(
        title='KD',
        config=str(config),
        options={'optim_wrapper.accumulative_counts': 2},
    )
    with pytest.raises(SettingError, match=f'KD has another {part} than'):
        load_suite(TINY, ROOT, {'methods': methods})
    methods[1]['differs'] = [part]
    load_suite(TINY, ROOT, {'methods': methods})


@pytest.mark.parametrize(
    'options',
    [
        {'model.architecture.backbone.depth': 14},
        {'model.architecture.backbone.init_cfg.type': 'Kaiming'},
        # sections that the others haven't
        {'optim_wrapper.clip_grad.max_norm': 5},
        {'optim_wrapper': {'paramwise_cfg': {'norm_decay_mult': 0.0}}},
    ],
)
def test_settings_that_a_method_changes_itself_may_differ(options):
    methods = load_suite(TINY, ROOT).settings['methods']
    methods[1]['options'] = options
    load_suite(TINY, ROOT, {'methods': methods})


def test_students_that_are_the_same_in_other_words():
    """A network with maps to teach is mmpretrain's; lists may be tuples."""

    def read(**model):
        cfg = dict(model=model, default_hooks={}, custom_hooks=[])
        return read_parts(Config(cfg), [], [])

    ours = dict(type='mmpretrain.TappedResNet', depth=18, out_indices=(3,))
    theirs = dict(type='ResNet', depth=18, out_indices=[3])
    distilled = dict(type='FrozenTeacherDistill', teacher={})
    found = [
        read(type='ImageClassifier', backbone=ours),
        read(type='ImageClassifier', backbone=theirs),
        read(
            **distilled,
            architecture=dict(type='ImageClassifier', backbone=ours),
        ),
        # an algorithm of the user's, of which nothing is known
        read(type='Own', student=dict(backbone=ours), teacher={}),
    ]
    for number, one in enumerate(found):
        check_shared('This', 'the pair', one, found[:number])
    other = read(type='ImageClassifier', backbone=dict(theirs, depth=34))
    with pytest.raises(SettingError, match='This has another backbone'):
        check_shared('This', 'the pair', other, found)


def test_a_method_with_data_of_its_own_says_so():
    methods = load_suite(TINY, ROOT).settings['methods']
    other = dict(methods[1], title='KD, two views')
    other['config'] = 'configs/mlkd/mlkd_resnet20_resnet8_1xb128_cifar10.py'
    message = "KD, two views has another data_preprocessor.*'differs'"
    with pytest.raises(SettingError, match=message):
        load_suite(TINY, ROOT, {'methods': [*methods, other]})
    other['differs'] = list(SHARED)
    suite = load_suite(TINY, ROOT, {'methods': [*methods, other]})
    assert suite.students[len(methods)].method == 'KD, two views'
    (said,) = describe_differences(suite.settings['methods'])
    assert said.startswith('KD, two views: data_preprocessor, train_dataload')


def test_hooks_that_change_a_result(tmp_path):
    def load(*hooks, **settings):
        listed = ', '.join(f'dict({hook})' for hook in hooks)
        config = tmp_path / 'config.py'
        config.write_text(
            f"_base_ = ['{KD}']\ncustom_hooks = [\n"
            f'    *_base_.custom_hooks, {listed}]\n'
        )
        method = dict(title='KD', config=str(config), **settings)
        methods = [dict(title='alone', config=ALONE), method]
        suite = load_suite(TINY, ROOT, {'methods': methods, 'seeds': [0]})
        return suite.students[1].digest

    ema = "type='mmengine.EMAHook', momentum=0.01"
    plain = load()
    assert plain == digest(options=OPTIONS)
    assert load("type='EmptyCacheHook'") == plain
    with pytest.raises(SettingError, match='KD has another custom_hooks'):
        load(ema)
    differs = dict(differs=['custom_hooks'])
    with_ema = load(ema, **differs)
    slower = load(ema.replace('0.01', '0.1'), **differs)
    added = load(options={'default_hooks.ema.type': 'EMAHook'})
    # A part of the distillation, which may differ.
    stopped = load("type='mmrazor.StopDistillHook', stop_epoch=2")
    assert len({plain, with_ema, slower, added, stopped}) == 5


def test_every_hook_of_ours_is_known():
    """Else a suite would take results with it for another method's."""
    known = [
        name
        for registry in (HOOKS, *HOOKS.children.values())
        for name, cls in registry.module_dict.items()
        if cls.__module__.partition('.')[0] == 'mmrazor_lakd'
    ]
    assert len(known) > 10 and set(known) <= set(KNOWN_HOOKS)


def test_hooks_given_as_classes_and_without_a_type():
    cfg = load_config_of(ROOT, str(KD), {})
    plain = digest_of(cfg)
    cfg.custom_hooks[0].type = HOOKS.get(cfg.custom_hooks[0].type)
    assert digest_of(cfg) == plain
    del cfg.custom_hooks[0].type
    message = r'^custom_hooks\[0\]={} names no hook.*; write dict\(type='
    with pytest.raises(SettingError, match=message.replace('{}', '.*')):
        cfg.custom_hooks[0].priority = 'LOW'
        digest_of(cfg)


def test_default_hooks_that_a_method_changes_itself_may_differ():
    """And the others may not."""

    def check(*methods):
        read = []
        for hooks, own, differs in methods:
            found = read_parts(Config(dict(default_hooks=hooks)), own, differs)
            check_shared('This', 'the pair', found, read)
            read.append(found)

    ema, own = dict(type='EMAHook'), ['default_hooks.ema.type']
    plain = dict(logger=dict(type='LoggerHook')), [], []
    for order in (1, -1):
        check(*[plain, (dict(ema=ema), own, [])][::order])
        check(*[plain, (dict(ema=ema), [], ['custom_hooks'])][::order])
        early = dict(ema=ema, early=dict(type='EarlyStoppingHook'))
        for found, options in (
            (early, own),
            (dict(ema=ema), ['default_hooks.logger.interval']),
            (dict(ema=ema), ['custom_hooks.0.momentum']),
        ):
            with pytest.raises(SettingError, match='has another custom_hooks'):
                check(*[plain, (found, options, [])][::order])


def test_a_method_that_computes_the_same_is_not_trained():
    methods = load_suite(TINY, ROOT).settings['methods']
    again = {'model.recompute': ['blocks']}
    methods.append(
        dict(methods[1], title='again', options=again, same_as='KD')
    )
    suite = load_suite(TINY, ROOT, {'methods': methods})
    titles = [method['title'] for method in methods]
    assert [t.method for t in suite.measured] == titles
    assert 'again' not in {t.method for t in suite.students}
    with pytest.raises(SettingError, match="'again' with 'KD'.*name that one"):
        list(select(suite, ['again'], None))
    kept = narrow(suite, ['KD'])
    assert [t.method for t in kept.measured] == ['KD', 'again']
    result = dict(pair=suite.students[0].pair, method='KD', seed=0, top1=[50])
    rows = make_table([result], suite.settings, {}, {})
    last = dict(zip(rows['method'], rows['last']))
    assert last['again'] == last['KD'] == 50 and last['alone'] is None
    said = list(describe_differences(suite.settings['methods']))
    assert said[0].startswith('again: the accuracy is that of KD')


def test_costs_of_many_methods_are_read(tmp_path):
    """Those of memory_budget's twenty have 7,530 brackets."""
    path = tmp_path / 'cost.json'
    path.write_text(json.dumps(dict(live=[[0, 1]] * 50_000)))
    assert len(read_json(path)['live']) == 50_000
    path.write_text('[' * 100_000)
    with pytest.raises(SettingError, match='nested too deeply'):
        read_json(path)


def test_costs_of_other_settings_are_not_shown(tiny, tmp_path):
    def outdated(suite, **digests):
        path = tmp_path / 'cost' / pair / 'cost.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{'config': t.method} for t in tiny.measured]
        cost = dict(reference='KD', rows=rows, **digests)
        path.write_text(json.dumps(cost))
        return find_outdated(tmp_path, suite, pair)

    (pair,) = tiny.settings['pairs']
    titles = [training.method for training in tiny.measured]
    digests = {t.method: t.seedless for t in tiny.measured}
    other_seeds = load_suite(TINY, ROOT, {'seeds': [5]})
    for suite in (tiny, other_seeds, narrow(tiny, ['alone'])):
        assert outdated(suite, digests=digests) == []
    batch = {'options.train_dataloader.batch_size': 32}
    other = load_suite(TINY, ROOT, batch)
    assert outdated(other, digests=digests) == titles
    assert outdated(other) == []  # of an earlier version
    assert outdated(tiny, digests={**digests, 'alone': 'x'}) == ['alone']
    (said,) = describe_outdated(['alone', 'KD'])
    assert said.startswith('Time and memory of alone, KD were measured with')
    # As they are written now: a longer training costs the same a step.
    digests = {t.method: t.cost_digest for t in tiny.measured}
    longer = load_suite(TINY, ROOT, {'epochs': 5})
    assert outdated(longer, digests=digests) == []
    workers = {'options.train_dataloader.num_workers': 2}
    other = load_suite(TINY, ROOT, workers)
    assert outdated(other, digests=digests) == titles
    # A part stands beside the reference.
    part = narrow(tiny, ['alone'])
    assert [t.method for t in part.measured] == ['alone', 'KD']
    assert [t.method for t in part.students] == ['alone', 'KD'] * 2


def test_what_decides_the_cost_of_a_step():
    def cost(threads=1, **options):
        cfg = load_config_of(ROOT, str(KD), {})
        cfg.merge_from_dict(fit_budget(cfg, options.pop('epochs', 5)))
        hooks = options.pop('hooks', [])
        cfg.custom_hooks = [*cfg.custom_hooks, *hooks]
        cfg.merge_from_dict(options)
        return cost_digest(cfg, threads)

    plain = cost()
    for same in (
        {'epochs': 7},
        {'optim_wrapper.optimizer.lr': 0.3},
        {'randomness.seed': 3},
        {'val_dataloader.batch_size': 7},
        {'param_scheduler': []},
        {'model.teacher_ckpt': 'elsewhere.pth'},
        {'hooks': [dict(type='TeacherAccuracyHook')]},
    ):
        assert cost(**same) == plain, same
    for other in (
        {'threads': 2},
        {'train_dataloader.num_workers': 3},
        {'train_dataloader.batch_size': 7},
        {'hooks': [dict(type='ChannelsLastHook')]},
        {'hooks': [dict(type='LocalModuleHook')]},
        {'optim_wrapper.type': 'OptimWrapper'},
        {'env_cfg.cudnn_benchmark': False},
        {'activation_checkpointing': ['architecture.backbone']},
    ):
        assert cost(**other) != plain, other
    # A length is a fraction of the training, however it is written.
    phase = {'model.distiller.local_phase': dict(epochs=2)}

    def phased(epochs):
        cfg = load_config_of(ROOT, str(KD), {'train_cfg.max_epochs': 4})
        cfg.merge_from_dict(phase)
        cfg.merge_from_dict(fit_budget(cfg, epochs))
        return cost_digest(cfg, 1)

    assert phased(4) == phased(8) != plain


def test_options_on_the_command_line():
    name = 'optim_wrapper.optimizer.lr'
    nested = load_suite(TINY, ROOT, {f'options.{name}': 0.5})
    written = load_suite(TINY, ROOT, {'options': {name: 0.5}})
    assert nested.students == written.students
    assert nested.students[0].options[name] == 0.5


def test_options_as_the_tools_read_them():
    options = {'a': [1, 2.5, 'x'], 'b.c': None, 'd': True, 'e': 'text', 'f': 3}
    assert parse_options(format_options(options), 'a.py') == options


@pytest.mark.parametrize(
    'value', ['a b', 'a,b', '5', 'None', 'a,(b', {}, [{'type': 'x'}]]
)
def test_options_that_the_tools_read_otherwise(value):
    with pytest.raises(SettingError, match='^name=.* is not understood'):
        format_options({'name': value})


def test_selection(tiny):
    chosen = select(tiny, ['KD'], [1])
    assert [(t.method, t.seed) for t in chosen] == [('KD', 1)]
    assert list(select(tiny, None, None)) == tiny.students
    with pytest.raises(SettingError, match="no method 'kd'; it has: alone"):
        list(select(tiny, ['kd'], None))
    with pytest.raises(SettingError, match="no seed '7'; it has: 0, 1"):
        list(select(tiny, None, [7]))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(seeds=[]), 'has no seeds'),
        (dict(seeds=3), 'has seeds=3, but a list is expected'),
        (dict(epochs='ten'), "epochs='ten', but a int or NoneType"),
        (dict(epoch=3), "unknown setting 'epoch'; the nearest ones are: epoc"),
        (dict(seeds=[[0]]), r'has the seed \[0\]; give whole numbers'),
        (dict(seeds=[True]), 'has the seed True; give whole numbers'),
        (dict(pairs=[['a_b_c']]), r"has the pair \['a_b_c'\]; give its name"),
        (dict(pairs=[None]), 'has the pair None; give its name'),
        (
            {'methods.1.title': ['LAKD']},
            r"a method with title=\['LAKD'\], but a str is expected",
        ),
        ({'methods.1.config': None}, 'a method with config=None, but a str'),
        ({'methods.1.options': 5}, 'a method with options=5, but a dict'),
        (
            {'methods.1.differs': ['data']},
            "a method whose 'data' differs; give some of: data_preprocessor",
        ),
        (
            {'methods.1.same_as': 'lakd'},
            "KD the same_as 'lakd', which is none of .*: alone, LAKD, no cuts",
        ),
        (
            {'methods.2.same_as': 'KD'},
            "the same_as 'KD', but their configs differ in more than model",
        ),
        (
            {'methods.1.same_as': 'alone'},
            "no method 'KD', with which .* one of: alone, LAKD, no cuts",
        ),
        (dict(methods=[[1, 2]]), 'has a method with .*; a method has a title'),
        (
            {'teacher_checkpoints.resnet20_1xb64_digits': 5},
            "teacher_checkpoints of 'resnet20_1xb64_digits': 5; give the path",
        ),
        (dict(seeds=[0, 0]), r'some of its seeds twice: \[0, 0\]'),
        (dict(epochs=0), 'has epochs=0; give 1 or more'),
        (
            {'methods.1.option': dict(a=1)},
            r"a method with \['config', 'option', 'title'\]",
        ),
        (
            {'teacher_checkpoints.resnet2_1xb64_digits': 'a.pth'},
            "for 'resnet2_1xb64_digits', which is none of its teachers.*: "
            'resnet20_1xb64_digits',
        ),
        (
            {'options': {'model.note': 'a file'}},
            "model.note='a file' is not understood on a command line",
        ),
        (dict(reference='Kd'), "no method 'Kd', .* one of: alone, KD, LAKD"),
        (dict(pairs=['resnet20']), 'not of the form teacher_student_recipe'),
        (dict(pairs=['a_b_c']), "no config '.*/b_c.py'; the nearest ones"),
        (
            dict(methods=[dict(title='KD', config=str(KD))] * 2),
            "two methods called 'KD'",
        ),
        (
            {'methods.1.config': 'configs/kd/kd_{pair}_other.py'},
            "no config '.*_other.py'; the nearest ones",
        ),
        (
            {'methods.0.config': 'configs/teachers/resnet8_1xb128_cifar10.py'},
            "'configs/kd/.*' of KD has another data_preprocessor",
        ),
        (
            {'methods.1.options': {'model.teacher_ckpt': 'a.pth'}},
            'model.teacher_ckpt in the options for KD.*; write '
            'teacher_checkpoints.resnet20_1xb64_digits=PATH',
        ),
        (
            {'options.randomness.seed': 7},
            'randomness.seed in options, .* no effect; .* seeds of the suite',
        ),
        (
            {'methods.1.options': {'train_cfg': {'max_epochs': 7}}},
            'train_cfg.max_epochs in the options of KD, .* set epochs of',
        ),
        (
            {'teacher_options': {'train_cfg.max_epochs': 7}},
            'train_cfg.max_epochs in teacher_options, .* set teacher_epochs',
        ),
        (
            {'teacher_options': {'randomness.seed': 7}},
            'randomness.seed in teacher_options, .* teachers have the seed 0',
        ),
        (
            {
                'teacher_epochs': 5,
                'teacher_checkpoints.resnet20_1xb64_digits': 'a.pth',
            },
            'trains no teacher, .*, and teacher_epochs would have no effect',
        ),
        (
            {'methods.1.config': 'configs/kd/kd_{network}.py'},
            r"has KD with .*kd_{network}.*key 'network' is missing.*{teacher}",
        ),
        (
            {'methods.1.config': 'configs/kd/kd_{}.py'},
            r"has KD with the config .*kd_{}.py', whose placeholders can't",
        ),
        (
            dict(
                methods=[
                    dict(title=title, config=str(KD))
                    for title in ('KD', 'kd!')
                ]
            ),
            "has 'KD' and 'kd!', which compute the same",
        ),
        (
            dict(options={'val_cfg': None}),
            "can't be part of a suite, which reads the accuracy of every",
        ),
    ],
)
def test_refusals(options, message):
    with pytest.raises(SettingError, match=message):
        load_suite(TINY, ROOT, options)


@pytest.mark.parametrize(
    ('evaluator', 'is_read'),
    [
        (dict(type='Accuracy'), True),
        (dict(type='mmpretrain.Accuracy', topk=(1, 5), thrs=[0.0]), True),
        ([dict(type='SingleLabelMetric'), dict(type='Accuracy')], True),
        (dict(type='Evaluator', metrics=[dict(type='Accuracy')]), True),
        (dict(type='Accuracy', topk=5), False),
        (dict(type='Accuracy', thrs=[0.0, 0.5]), False),
        (dict(type='Accuracy', prefix='digits'), False),
        ([dict(type='SingleLabelMetric')], False),
        (dict(type='TeacherAgreement'), False),
    ],
)
def test_accuracy_that_is_not_measured(tmp_path, evaluator, is_read):
    config = tmp_path / 'config.py'
    config.write_text(
        f"_base_ = ['{KD}']\n"
        f'val_evaluator = dict(_delete_=True, **{evaluator!r})\n'
        if isinstance(evaluator, dict)
        else f"_base_ = ['{KD}']\nval_evaluator = {evaluator!r}\n"
    )
    options = {'methods.1.config': str(config)}
    if is_read:
        assert load_suite(TINY, ROOT, options).students
        return
    with pytest.raises(SettingError, match='its val_evaluator measures none'):
        load_suite(TINY, ROOT, options)


def test_a_training_by_iterations(tmp_path):
    """Also where the suite sets the number of epochs, as this one does."""
    config = tmp_path / 'config.py'
    config.write_text(
        f"_base_ = ['{KD}']\n"
        f"train_cfg = dict(_delete_=True, type='IterBasedTrainLoop',\n"
        f'                 max_iters=10)\n'
    )
    with pytest.raises(SettingError, match='reads the accuracy of every epoc'):
        load_suite(TINY, ROOT, {'methods.1.config': str(config)})


def test_every_epoch_is_evaluated_and_saved():
    options = {
        'train_cfg.val_begin': 3,
        'train_cfg.dynamic_intervals': [[2, 5]],
        'default_hooks.checkpoint.by_epoch': False,
    }
    cfg = load_config_of(ROOT, str(KD), {**options, **KEEPING})
    assert cfg.train_cfg.val_begin == 1
    assert cfg.train_cfg.dynamic_intervals is None
    assert cfg.default_hooks.checkpoint.by_epoch is True
    assert parse_options(format_options(KEEPING), 'a.py') == KEEPING


def test_teacher_that_is_named_and_not_there(tiny, tmp_path):
    (name,) = tiny.teachers
    key = f'teacher_checkpoints.{name}'

    def find(path):
        suite = load_suite(TINY, ROOT, {key: path})
        runner = SuiteRunner(suite, ROOT, tmp_path, tmp_path, jobs=1)
        return runner.find_missing(suite.students)

    with pytest.raises(SettingError, match=f'no file; give .* {key}=PATH, or'):
        find(str(tmp_path / 'none.pth'))
    with pytest.raises(SettingError, match='clone of the project has it'):
        find('docs/none.pth')
    # None trains one, as the message says.
    assert find(None)[0].method == 'teacher'
    suite = load_suite(TINY, ROOT, {key: None})
    runner = SuiteRunner(suite, ROOT, tmp_path, tmp_path / 'report', jobs=1)
    assert runner.run([], watcher=None) == []


def keep(report, training, **changes):
    """Keep a result of a training, as far as it is read."""
    known = dict.fromkeys(RESULT_KEYS, '')
    known.update(
        {name: getattr(training, name) for name in RESULT_KEYS
         if hasattr(training, name)},
        top1=[50.0] * training.epochs, machine={}, iterations=3, dirty=False,
        teacher=None, teacher_top1=None,
        precision=precision(training.optim_wrapper, training.amp_dtype),
    )  # fmt: skip
    write_result(report, {**known, **changes})


def test_a_trained_teacher_and_its_result_belong_together(tiny, tmp_path):
    (teacher,) = tiny.teachers.values()
    runner = SuiteRunner(tiny, ROOT, tmp_path, tmp_path, 1, Stopped())
    missing = runner.find_missing(tiny.students[-1:])
    assert missing[0] is teacher
    # Weights are there, and nothing says of which training.
    path = runner.teachers.path(teacher.pair)
    path.parent.mkdir()
    torch.save({'weight': torch.ones(1)}, path)
    missing = runner.find_missing(tiny.students[-1:])
    with pytest.raises(SettingError, match='has no result of its training'):
        runner.run(missing, Silent())
    keep(tmp_path, teacher)
    (failure,) = runner.run(missing, Silent())
    assert failure['name'] == missing[0].name
    # A student's result, made with them, says enough.
    (tmp_path / 'results.jsonl').unlink()
    keep(tmp_path, tiny.students[1], teacher=hash_weights(path))
    runner.run(missing, Silent())
    # A result is there, and the weights of its teacher are lost.
    path.unlink()
    missing = runner.find_missing(tiny.students[-1:])
    with pytest.raises(SettingError, match='a new one would be another; brin'):
        runner.run(missing, Silent())


def test_a_teacher_that_vanishes(tiny, tmp_path):
    """Its students would wait for it forever."""
    runner = SuiteRunner(tiny, ROOT, tmp_path, tmp_path, 1, Stopped())
    failures = []

    class Quiet(Silent):
        def failed(self, training, reason):
            failures.append(reason)

    runner.run(tiny.students[-1:], Quiet())
    (reason,) = failures
    assert reason.endswith('resnet20_1xb64_digits.pth is gone')


def test_a_title_that_changes_in_punctuation_keeps_its_results(tmp_path):
    methods = load_suite(TINY, ROOT).settings['methods']
    before = load_suite(TINY, ROOT)
    keep(tmp_path, before.students[2])
    methods[2]['title'] = 'LAKD (no cuts)'
    suite = load_suite(TINY, ROOT, {'methods': methods})
    (result,) = read_results(tmp_path, suite)
    assert result['method'] == 'LAKD (no cuts)'


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(machine=None), 'no result of a training, since it has machine='),
        (dict(top1=[]), r'since it has top1=\[\]; remove it'),
        (dict(top1=['30']), 'since it has top1='),
        (dict(top1=30.0), 'since it has top1=30.0'),
        (dict(top1=[30.0]), 'has the accuracies of 1 epochs in place of 3'),
        (dict(iterations='3'), "since it has iterations='3'"),
        (dict(teacher=5), 'since it has teacher=5'),
    ],
)
def test_results_that_were_changed(tiny, tmp_path, changes, message):
    keep(tmp_path, tiny.students[0], **changes)
    with pytest.raises(SettingError, match=f'Line 1 of .* {message}'):
        read_results(tmp_path, tiny)


class Stopped:
    """A launcher whose trainings end at once, with an error."""

    is_remote = False
    seconds = 0.0

    def start(self, starts):
        return [self] * len(starts)

    def poll(self):
        return 1

    def explain(self):
        return 'stopped'


class Silent:
    def update(self, running, waiting):
        pass

    def failed(self, training, reason):
        assert reason == 'stopped'


def test_another_teacher_that_the_configs_name(tmp_path):
    def runner(checkpoint):
        options = {'options.model.teacher_ckpt': str(checkpoint)}
        suite = load_suite(suite_file, ROOT, options)
        assert suite.teachers == {'own_1xb64_digits': None}
        return SuiteRunner(
            suite, ROOT, tmp_path / 'work', tmp_path, 1, Stopped()
        )

    suite_file = tmp_path / 'own.py'
    suite_file.write_text(
        f"_base_ = ['{TINY}']\npairs = ['own_resnet8_1xb64_digits']\n"
        f"seeds = [0]\nmethods = [dict(title='KD', config='{KD}')]\n"
    )
    paths = tmp_path / 'a.pth', tmp_path / 'b.pth'
    for number, path in enumerate(paths):
        torch.save({'weight': torch.tensor([float(number)])}, path)
    first, second = map(runner, paths)
    address = runner('https://example.org/a.pth')
    (student,) = first.suite.students
    assert second.suite.students[0].digest == student.digest
    known = first.teachers.hash(student)
    assert known == hash_weights(paths[0])
    # A training that is broken off knows its teacher, so that none other is
    # taken when it goes on.
    (failure,) = first.run([student], Silent())
    assert failure['name'] == student.name
    begun = read_json(tmp_path / 'work' / student.name / 'made_with.json')
    assert begun['teacher'] == known
    keep(tmp_path, student, teacher=known)
    assert first.run([], Silent()) == []
    for other in (second, address):
        with pytest.raises(SettingError, match='made with another teacher'):
            other.run([], Silent())
    # Earlier versions recorded none.
    keep(tmp_path, student)
    assert second.run([], Silent()) == []
    # Nor in a training that they began, which goes on.
    folder = tmp_path / 'work' / student.name
    (folder / 'epoch_1.pth').touch()
    logs = folder / 'now' / 'vis_data' / 'scalars.json'
    logs.parent.mkdir(parents=True)
    logs.write_text('{"accuracy/top1": 5.0, "step": 1}\n')
    here = precision(student.optim_wrapper)
    old = dict(teacher=None, precision=here)
    (tmp_path / 'results.jsonl').unlink()
    (folder / 'made_with.json').write_text(json.dumps(old))
    (failure,) = second.run(second.suite.students, Silent())
    begun = read_json(folder / 'made_with.json')
    assert begun['teacher'] == hash_weights(paths[1])


@pytest.mark.parametrize(
    ('wrapper', 'expected'),
    [
        (dict(type='AmpOptimWrapper'), 'float16'),
        (dict(type='mmengine.AmpOptimWrapper'), 'float16'),
        (dict(type='AmpOptimWrapper', dtype='bfloat16'), 'bfloat16'),
        (dict(type='mmengine.OptimWrapper'), 'float32'),
    ],
)
def test_precision(wrapper, expected):
    options = {f'options.optim_wrapper.{k}': v for k, v in wrapper.items()}
    student = load_suite(TINY, ROOT, options).students[0]
    found = precision(student.optim_wrapper, student.amp_dtype)
    assert found == expected


def test_wrappers_given_as_classes():
    wrapper = dict(type=AmpOptimWrapper, dtype=torch.bfloat16)
    found = describe_wrapper(Config(dict(optim_wrapper=wrapper)))
    assert found == ('AmpOptimWrapper', 'torch.bfloat16')
    assert precision(*found) == 'bfloat16'


def test_precision_that_earlier_versions_recorded(tiny):
    """They overlooked an AmpOptimWrapper's dtype, and its scope."""
    student = tiny.students[0]

    def recorded(record, wrapper, dtype):
        training = student._replace(optim_wrapper=wrapper, amp_dtype=dtype)
        return recorded_precision(training, record)

    amp, scoped = 'AmpOptimWrapper', 'mmengine.AmpOptimWrapper'
    assert recorded('float16', amp, 'bfloat16') == 'bfloat16'
    assert recorded('float32', scoped, 'torch.bfloat16') == 'bfloat16'
    assert recorded('float32', scoped, None) == 'float16'
    assert recorded('float16', amp, None) == 'float16'
    assert recorded('bfloat16', amp, 'bfloat16') == 'bfloat16'
    assert recorded('float8', amp, 'bfloat16') == 'float8'
    assert recorded('float32', 'Bfloat16OptimWrapper', None) == 'float32'


def test_hash_of_weights(tmp_path):
    weights = dict(
        a=torch.randn(2, 3).t(),
        b=torch.tensor(7),
        c=torch.tensor([True, False]),
        d=torch.zeros(0, 3),
    )
    # As results of earlier versions have it.
    known = hashlib.sha256()
    for name, value in weights.items():
        known.update(name.encode() + value.contiguous().numpy().tobytes())
    path = tmp_path / 'weights.pth'
    torch.save(weights, path)
    assert hash_weights(path) == known.hexdigest()[:16]
    found = set()
    for value in (1.0, 2.0):
        torch.save({'a': torch.tensor(value, dtype=torch.bfloat16)}, path)
        found.add(hash_weights(path))
    assert len(found) == 2


def test_finding_a_suite():
    assert find_suite('smoke', FOLDER) == FOLDER / 'smoke.py'
    path = LAB / 'cifar10_ablation.py'
    assert find_suite(str(path), FOLDER) == path
    with pytest.raises(
        SettingError, match="no suite 'cifar10_ablation'; .* docs/lab/suites "
    ):
        find_suite('cifar10_ablation', FOLDER)


@pytest.mark.parametrize('folder', ['work', 'report'])
def test_one_benchmark_a_folder(tiny, tmp_path, folder):
    work_dir, report = tmp_path / 'work', tmp_path / 'report'
    runner = SuiteRunner(tiny, ROOT, work_dir, report, jobs=1)
    assert runner.run([], watcher=None) == []
    with FileLock(tmp_path / folder / 'lock'):
        with pytest.raises(SettingError, match=f'at work in .*{folder}; wait'):
            runner.run([], watcher=None)
