"""What the ecosystem's readers find in model-index.yml."""

import re

import pytest
from conftest import ROOT
from mmengine import Config
from mmpretrain.apis.model import ModelHub
from modelindex.load_model_index import load
from test_configs import CONFIGS, PAIRS, resolve

from mmrazor_lakd.benchmark.suite.results import read_kept

INDEX = ROOT / 'model-index.yml'
PAGE = ROOT / 'docs' / 'en' / 'pairs.md'


@pytest.fixture(scope='module')
def index():
    """What the reader makes of the file."""
    return load(str(INDEX))


@pytest.fixture(scope='module')
def models(index):
    """The models by their names."""
    assert len({model.name for model in index.models}) == len(index.models)
    return {model.name: model for model in index.models}


def metrics(model):
    """The metrics of a model's one result."""
    return model.results[0].metrics


def test_every_listed_config_is_in_the_tree(models):
    assert {model.config for model in models.values()} <= set(CONFIGS)
    for name, model in models.items():
        assert model.config.endswith(f'/{name}.py')


def test_collections(index, models):
    assert index.check(silent=True) == []
    collections = {item.name.lower(): item for item in index.collections}
    for model in models.values():
        method = model.config.split('/')[1]
        name = model.in_collection.lower()
        assert name == ('no distillation' if method == 'teachers' else method)
        collection = collections[name]
        assert (ROOT / collection.data['Docs']).is_file()
        if method != 'teachers':
            url = collection.paper['URL']
            page = (ROOT / collection.data['Docs']).read_text()
            assert re.fullmatch(r'https://arxiv.org/abs/\d{4}\.\d{4,5}', url)
            assert url in page


def test_openmim_can_search_and_download(index):
    """`mim search` and `mim download` of OpenMIM 0.3.9 fail on anything else.

    They look names and collections up as they are written, join the items of
    lists, and ask every model for a weight, which is saved as what follows
    the last slash.
    """
    collections = {item.name: item for item in index.collections}
    for model in index.models:
        assert model.name == model.name.lower()
        collection = collections[model.in_collection]
        fields = {**collection.metadata.data, **model.metadata.data}
        for value in fields.values():
            assert isinstance(value, (str, int, float)), fields
        assert list(metrics(model)) == ['Top 1 Accuracy']
        assert isinstance(metrics(model)['Top 1 Accuracy'], float)
        if not model.weights:
            assert fields['Weight'].endswith('/')


def test_data_is_the_configs(models):
    known = dict(
        cifar10='CIFAR-10',
        cifar100='CIFAR-100',
        imagenet='ImageNet-1k',
        digits='scikit-learn digits',
    )
    for name, model in models.items():
        (data,) = {known[part] for part in name.split('_') if part in known}
        assert model.metadata.data['Training Data'] == data
        assert [result.dataset for result in model.results] == [data]


def test_measured_figures_are_those_of_the_benchmarks(models):
    assert 'lakd_resnet20_resnet8_1xb128_cifar10' in models
    for name, model in models.items():
        meta = model.metadata.data
        report = (ROOT / meta['Source']).parent
        results = [kept.result for kept in read_kept(report).values()]
        rows = rows_with_options(report.name)
        mine = [
            r
            for r in results
            if now(r['config']) == model.config and r['method'] not in rows
        ]
        last = {r['seed']: r['top1'][-1] for r in mine}
        epochs = {len(r['top1']) for r in mine}
        if not mine:  # a teacher, as its students found it
            pairs = [r for r in results if name == teacher_of(r['pair'])]
            (top1,) = {r['teacher_top1'] for r in pairs if r['teacher']}
            last = {0: top1}
            epochs = {meta['Epochs']}
        assert ', '.join(map(str, sorted(last))) == meta['Seeds'], name
        assert epochs == {meta['Epochs']}, name
        mean = sum(last.values()) / len(last)
        assert mean == pytest.approx(
            metrics(model)['Top 1 Accuracy'], abs=6e-3
        ), name


def now(config):
    """Where a config of a kept result is: LAKD's variants had folders."""
    return re.sub(
        r'lakd_([a-z]+)/lakd_\1_([^/]+)\.py$', r'lakd/lakd_\2_\1.py', config
    )


def rows_with_options(report):
    """Name a suite's rows that change their config, by its report's name."""
    name = re.sub(r'_(\d+_epochs|float32)$', '', report)
    suite = Config.fromfile(ROOT / 'configs' / 'benchmark' / f'{name}.py')
    return [m['title'] for m in suite.methods if 'options' in m]


def teacher_of(pair):
    """Name the config of a pair's teacher."""
    teacher, _, recipe = pair.split('_', 2)
    return f'{teacher}_{recipe}'


def test_the_page_and_the_pairs_have_the_same_figures():
    found = {}
    sections = re.split('^## ', PAGE.read_text(), flags=re.M)
    for section in sections:
        heading, _, body = section.partition('\n')
        if not heading.endswith('(published)'):
            continue
        end = '8xb32_imagenet' if 'ImageNet' in heading else '1xb64_cifar100'
        rows = [
            [cell.strip() for cell in line.strip('|').split('|')]
            for line in body.splitlines()
            if line.startswith('|')
        ]
        methods = [re.sub(', |-', '_', m.lower()) for m in rows[0][2:]]
        methods = ['catkd' if m == 'cat_kd' else m for m in methods]
        for pair, teacher, *cells in rows[2:]:
            name = f'{pair.lower().replace(" -> ", "_")}_{end}'
            cells = dict(zip(['teacher', *methods], [teacher, *cells]))
            found.setdefault(name, {}).update(
                {m: float(cell) for m, cell in cells.items() if cell}
            )
    listed = {
        pair: resolve(ROOT / f'configs/_base_/pairs/{pair}.py')
        for pair in PAIRS
    }
    assert found == {
        pair: cfg.published_top1.to_dict()
        for pair, cfg in listed.items()
        if 'published_top1' in cfg
    }


def test_mmpretrain_registers_the_index():
    """Its names are free there, and lead to the configs."""
    ModelHub.register_model_index(INDEX, config_prefix=ROOT)
    model = ModelHub.get('reviewkd_resnet20_resnet8_1xb128_cifar10')
    loss = model.config.model.distiller.distill_losses.loss_review.loss
    assert loss.loss_weight == 5.0
    # what `get_model(name, pretrained=True)` would load
    assert model.weights is None
