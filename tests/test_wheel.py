"""The wheel that users get, built by real processes."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string

import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from processes import run, write

BUILD_INPUT = (
    'mmrazor_lakd',
    'configs',
    'tools',
    'requirements',
    'tests',
    'setup.py',
    'pyproject.toml',
    'MANIFEST.in',
    'LICENSE',
    'README.md',
    'model-index.yml',
)


def builds_wheels():
    import setuptools

    version = tuple(map(int, setuptools.__version__.split('.')[:2]))
    try:
        import wheel  # noqa: F401
    except ImportError:
        return version >= (70, 1)
    return True


needs_wheel = pytest.mark.skipif(
    not builds_wheels(),
    reason='setuptools < 70.1 needs the package wheel to build one',
)


def copy_tree(target):
    target.mkdir()
    ignore = shutil.ignore_patterns('__pycache__', '*.py[cod]')
    for name in BUILD_INPUT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=ignore)
        elif source.is_file():
            shutil.copy2(source, target / name)
    # Traps: folders that look like packages, a build of bytecode, a .mim that
    # some other tool left in the source, and files deleted further below.
    write(target / 'tests' / '__init__.py')
    write(target / 'tools' / '__init__.py')
    write(target / 'configs' / '__pycache__' / 'a.cpython-311.pyc')
    write(target / 'mmrazor_lakd' / '.mim' / 'configs' / 'stale.py')
    write(target / 'mmrazor_lakd' / 'deleted_later.py')
    write(target / 'configs' / 'deleted_later' / 'a.py')
    write(target / 'tools' / 'run.sh').chmod(0o755)
    write(target / 'model-index.yml', 'Import: []\n')
    return target


def build_wheel(source, target):
    result = run(
        *(sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-index'),
        *('--no-build-isolation', '-w', target, source),
    )
    assert result.returncode == 0, result.stdout
    (wheel,) = target.glob('*.whl')
    return zipfile.ZipFile(wheel)


def names(wheel):
    """The names in a wheel without those of its metadata."""
    return {n for n in wheel.namelist() if '.dist-info/' not in n}


def expected_names(source):
    """What the wheel of a tree holds, from a walk through the tree."""
    expected = {'mmrazor_lakd/.mim/model-index.yml'}
    for folder, prefix in (
        ('mmrazor_lakd', ''),
        ('configs', 'mmrazor_lakd/.mim/'),
        ('tools', 'mmrazor_lakd/.mim/'),
    ):
        for path in (source / folder).rglob('*'):
            name = path.relative_to(source).as_posix()
            hidden = '/.' in name or '__pycache__' in name
            if path.is_file() and not hidden:
                expected.add(prefix + name)
    return expected


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    return copy_tree(tmp_path_factory.mktemp('packaging') / 'source')


@pytest.fixture(scope='module')
def wheel(source, tmp_path_factory):
    return build_wheel(source, tmp_path_factory.mktemp('wheel'))


@needs_wheel
def test_wheel_holds_the_package_and_the_mim_content(wheel, source):
    assert names(wheel) == expected_names(source)
    # The comparison above must not be one of two empty sets.
    assert 'mmrazor_lakd/version.py' in names(wheel)
    assert 'mmrazor_lakd/.mim/configs/deleted_later/a.py' in names(wheel)
    assert 'mmrazor_lakd/.mim/tools/run.sh' in names(wheel)
    mode = wheel.getinfo('mmrazor_lakd/.mim/tools/run.sh').external_attr >> 16
    assert mode & 0o111, 'a script lost its executable bit'
    (top_level,) = (n for n in wheel.namelist() if 'top_level' in n)
    assert wheel.read(top_level).split() == [b'mmrazor_lakd']


@needs_wheel
def test_metadata(wheel):
    metadata = read_metadata(wheel)
    version = {}
    exec((ROOT / 'mmrazor_lakd/version.py').read_text(), version)
    assert metadata['Name'] == 'mmrazor-lakd'
    assert metadata['Version'] == version['__version__']
    assert metadata['License'] == 'Apache-2.0'
    assert metadata['Description-Content-Type'] == 'text/markdown'
    assert metadata.get_payload() == (ROOT / 'README.md').read_text()
    extras = set(metadata.get_all('Provides-Extra'))
    assert extras == {'lite', 'tests', 'cluster'}

    requires = metadata.get_all('Requires-Dist')
    requires = [Requirement(text) for text in requires]
    base = {r.name: r.specifier for r in requires if r.marker is None}
    assert {'mmengine', 'mmpretrain', 'mmrazor', 'torch'} <= set(base)
    # Upstream imports these and forgot to declare them.
    assert {'joblib', 'scipy', 'torchvision', 'setuptools'} <= set(base)
    assert not base['setuptools'].contains('81.0.0')
    # No torch that works is replaced.
    for version in ('1.13.1', '2.11.0+cu130', '2.13.0', '9.0'):
        assert base['torch'].contains(version), version
    # A user's full mmcv is never replaced: only the extra names one.
    assert not [name for name in base if name.startswith('mmcv')]
    lite = [r.name for r in requires if evaluates(r.marker, 'lite')]
    assert lite == ['mmcv-lite']
    license_files = [n for n in wheel.namelist() if n.endswith('/LICENSE')]
    assert len(license_files) == 1


@needs_wheel
def test_one_oldest_python_everywhere(wheel):
    metadata = read_metadata(wheel)
    oldest = metadata['Requires-Python'].replace('>=', '')
    classifiers = ' '.join(metadata.get_all('Classifier'))
    versions = re.findall(r'Python :: 3\.(\d+)', classifiers)
    assert oldest == f'3.{min(map(int, versions))}'
    ruff = (ROOT / 'pyproject.toml').read_text()
    assert f"target-version = 'py{oldest.replace('.', '')}'" in ruff
    for page in ('README.md', 'docs/en/notes/compatibility.md'):
        assert f'Python {oldest} or newer' in (ROOT / page).read_text(), page


def read_metadata(wheel):
    (name,) = (n for n in wheel.namelist() if n.endswith('/METADATA'))
    return message_from_string(wheel.read(name).decode())


@needs_wheel
def test_installed_suite_says_where_its_teacher_is(wheel, tmp_path):
    target = tmp_path / 'installed'
    result = run(
        *(sys.executable, '-m', 'pip', 'install', '--no-deps', '--no-index'),
        *('--no-compile', '--target', target, wheel.filename),
    )
    assert result.returncode == 0, result.stdout
    mim = target / 'mmrazor_lakd' / '.mim'
    base = mim / 'configs' / 'benchmark' / 'cifar10_published_teacher.py'
    # one of its many methods, to be quick
    suite = write(
        tmp_path / 'suite.py',
        f"_base_ = ['{base}']\n"
        "config = 'configs/lakd/lakd_{pair}.py'\n"
        "methods = [dict(title='LAKD', config=config)]\n"
        "reference = 'LAKD'\n"
        'del config\n',
    )
    done = subprocess.run(
        [sys.executable, mim / 'tools' / 'benchmark.py', suite],
        cwd=tmp_path,
        env=dict(os.environ, PYTHONPATH=str(target)),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 2
    (said,) = (i for i in done.stderr.splitlines() if i.startswith('error: '))
    teacher = 'resnet56_1xb128_cifar10'
    assert f'takes its teacher {teacher} from {mim}/checkpoints/' in said
    assert 'teachers.md says how to get it' in said
    assert f'--cfg-options teacher_checkpoints.{teacher}=PATH' in said


def evaluates(marker, extra):
    return marker is not None and marker.evaluate({'extra': extra})


@needs_wheel
def test_building_leaves_the_source_as_it_was(tmp_path):
    source = copy_tree(tmp_path / 'source')
    shutil.rmtree(source / 'mmrazor_lakd' / '.mim')

    def tree():
        return {
            p.relative_to(source): p.read_bytes()
            for p in source.rglob('*')
            # What every build by setuptools leaves, and git ignores.
            if p.is_file()
            and p.relative_to(source).parts[0]
            not in ('build', 'mmrazor_lakd.egg-info')
        }

    before = tree()
    first = build_wheel(source, tmp_path / 'first')
    assert tree() == before

    # The second wheel from the same folder, where the first one's build is.
    assert (source / 'build').is_dir()
    (source / 'mmrazor_lakd' / 'deleted_later.py').unlink()
    shutil.rmtree(source / 'configs' / 'deleted_later')
    second = build_wheel(source, tmp_path / 'second')
    assert names(second) == expected_names(source)
    assert names(first) - names(second) == {
        'mmrazor_lakd/deleted_later.py',
        'mmrazor_lakd/.mim/configs/deleted_later/a.py',
    }


@needs_wheel
def test_sdist_builds_the_same_wheel(wheel, source, tmp_path):
    code = 'import setuptools.build_meta as b; b.build_sdist({!r})'
    result = run(sys.executable, '-c', code.format(str(tmp_path)), cwd=source)
    assert result.returncode == 0, result.stdout
    (archive,) = tmp_path.glob('*.tar.gz')
    with tarfile.open(archive) as file:
        file.extractall(tmp_path / 'sdist')
    (unpacked,) = (tmp_path / 'sdist').iterdir()
    assert not (unpacked / 'mmrazor_lakd' / '.mim').exists()
    assert not (unpacked / 'tests').exists()
    rebuilt = build_wheel(unpacked, tmp_path / 'wheel')
    assert names(rebuilt) == names(wheel)
    for name in names(wheel):
        assert rebuilt.read(name) == wheel.read(name), name
