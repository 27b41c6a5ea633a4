"""The set-up behind `make`, as real processes."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from processes import clean_environment, run, write


def test_lock_meets_the_requirements():
    def read(name):
        lines = (ROOT / 'requirements' / f'{name}.txt').read_text()
        lines = (line.partition('#')[0].strip() for line in lines.split('\n'))
        return [Requirement(line) for line in lines if line]

    locked = {canonicalize_name(r.name): r for r in read('lock')}
    names = ('runtime', 'lite', 'tests', 'docs', 'cluster')
    wanted = [read(name) for name in names]
    for requirement in sum(wanted, []):
        pinned = locked[canonicalize_name(requirement.name)].specifier
        (pin,) = pinned
        assert pin.operator == '=='
        assert requirement.specifier.contains(pin.version), requirement


needs_make = pytest.mark.skipif(
    shutil.which('make') is None or sys.version_info < (3, 11),
    reason='the pinned environment needs make and Python 3.11',
)


class SetUp:
    """`make venv` with an environment and a lock file of its own."""

    def __init__(self, folder):
        self.venv = folder / 'venv'
        self.lock = folder / 'lock.txt'
        self.command = ['make', '-C', ROOT, 'venv']
        self.command += [f'VENV={self.venv}', f'LOCK={self.lock}']

    def __call__(self, python=sys.executable):
        return run(*self.command, f'PYTHON={python}')

    def start(self):
        """A call in a process group of its own, as in a terminal."""
        return subprocess.Popen(
            [*map(str, self.command), f'PYTHON={sys.executable}'],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def start_and_wait_for_python(self):
        """A call that has linked Python and now installs pip, for seconds."""
        process = self.start()
        while not (self.venv / 'bin' / 'python').exists():
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.01)
        return process

    def imports(self, name):
        code = f'import importlib.util as u; print(u.find_spec({name!r}))'
        return run(self.venv / 'bin/python', '-c', code, cwd='/').stdout


@pytest.fixture
def set_up(tmp_path):
    return SetUp(tmp_path)


def write_hollow_wheel(folder):
    """A package `hollow` 0.1, so that pip installs without an index."""
    info = 'hollow-0.1.dist-info'
    content = {
        'hollow.py': '',
        f'{info}/METADATA': 'Metadata-Version: 2.1\n'
        'Name: hollow\nVersion: 0.1\n',
        f'{info}/WHEEL': 'Wheel-Version: 1.0\nGenerator: test\n'
        'Root-Is-Purelib: true\nTag: py3-none-any\n',
    }
    record = ''.join(f'{name},,\n' for name in [*content, f'{info}/RECORD'])
    path = folder / 'hollow-0.1-py3-none-any.whl'
    with zipfile.ZipFile(path, 'w') as file:
        for name, text in content.items():
            file.writestr(name, text)
        file.writestr(f'{info}/RECORD', record)
    return path


def tree_hash(folder):
    digest = hashlib.sha256()
    for path in sorted(folder.rglob('*')):
        # Running Python may write bytecode; that is no set-up.
        if path.is_file() and '__pycache__' not in path.parts:
            digest.update(f'{path} {path.lstat().st_mtime_ns}\n'.encode())
    return digest.hexdigest()


@needs_make
def test_failed_set_up_is_not_trusted_and_the_next_call_mends_it(set_up):
    folder = set_up.lock.parent
    set_up.lock.write_text(f'--no-index\n--find-links {folder}\nhollow==0.1\n')
    failed = set_up()
    assert failed.returncode != 0
    assert 'No matching distribution found for hollow==0.1' in failed.stdout

    # The same call again, with the same lock file, once the package is there.
    write_hollow_wheel(folder)
    mended = set_up()
    assert mended.returncode == 0, mended.stdout
    assert 'Setting up' in mended.stdout
    assert 'hollow.py' in set_up.imports('hollow')
    assert str(ROOT) in set_up.imports('mmrazor_lakd')

    # And again: nothing is said or touched, no Python that could is needed.
    before = tree_hash(set_up.venv)
    again = set_up(python='no_such_python')
    assert again.returncode == 0, again.stdout
    assert 'Setting up' not in again.stdout
    assert tree_hash(set_up.venv) == before

    # With another lock file it is not what is asked for.
    set_up.lock.write_text('# another one\n')
    assert set_up(python='no_such_python').returncode != 0
    changed = set_up()
    assert changed.returncode == 0, changed.stdout
    assert set_up.imports('hollow').strip() == 'None'


@needs_make
def test_killed_set_up_is_made_anew_by_one_of_two_calls(set_up):
    folder = set_up.lock.parent
    write_hollow_wheel(folder)
    set_up.lock.write_text(f'--no-index\n--find-links {folder}\nhollow==0.1\n')
    killed = set_up.start_and_wait_for_python()
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    # A Python is there, and still the environment must not be used as it is.
    assert (set_up.venv / 'bin/python').exists()

    both = [set_up.start() for _ in range(2)]
    output = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], output
    assert sum('Setting up' in text for text in output) == 1, output
    assert 'hollow.py' in set_up.imports('hollow')


@needs_make
def test_foreign_environment_is_left_alone(set_up):
    set_up.lock.write_text('')
    mine = write(set_up.venv / 'mine.txt', 'mine')
    result = set_up()
    assert result.returncode != 0
    assert 'was not made by this command' in result.stdout
    assert [mine] == list(set_up.venv.iterdir())


@needs_make
def test_missing_python_gets_one_sentence(set_up, tmp_path):
    set_up.lock.write_text('')
    none = set_up(python=tmp_path / 'no_such_python')
    assert none.returncode != 0
    assert 'No Python 3.11 or newer found' in none.stdout
    assert not set_up.venv.exists()
