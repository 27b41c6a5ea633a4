"""compat.py on whatever PyTorch runs the tests.

What is broken natively is found out in a process without the plugin; the
tests then expect a repair there, and untouched native behaviour elsewhere.
"""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModel

from mmrazor_lakd import compat, safe_loading

ROOT = Path(__file__).parents[1]

# Each script prints one JSON object as its last line.
NATIVE = """
import collections, io, json, pickle, torch
from mmengine.logging import HistoryBuffer
try:
    import mmrazor.models
    quantisation = True
except ImportError:
    quantisation = False
file = io.BytesIO()
torch.save(HistoryBuffer([1.0], [1]), file)
file.seek(0)
try:
    torch.load(file)
    checkpoints = True
except pickle.UnpicklingError:
    checkpoints = False
# where MMRazor looks for activations that are in place
found = isinstance(torch.nn.Module()._modules, collections.OrderedDict)
print(json.dumps(dict(
    quantisation=quantisation, checkpoints=checkpoints, inplace=found)))
"""

REPAIRED = """
import json
import mmrazor_lakd
import mmrazor.models, mmrazor.structures, torch
from mmengine.logging import HistoryBuffer
from mmrazor.registry import MODELS
from mmrazor.structures.quantization import BackendConfigs
known = getattr(torch.serialization, 'get_safe_globals', list)()
print(json.dumps(dict(
    done=mmrazor_lakd.compat.apply(),
    allowed=HistoryBuffer in known,
    backend_configs=type(BackendConfigs).__name__,
    loss=str(MODELS.get('mmrazor.KLDivergence')),
    subnet=callable(mmrazor.structures.load_fix_subnet))))
"""

# A copy of compat.py and what it imports, which starts quicker than the whole
# plugin, after imports that may fail.
ALONE = """
import json, multiprocessing, sys, torch
for name in sys.argv[1:]:
    try:
        __import__(name)
    except ImportError:
        pass
from alone import compat
from mmengine.logging import HistoryBuffer
done = compat.apply()
assert compat.apply() == done
known = getattr(torch.serialization, 'get_safe_globals', list)
allowed = HistoryBuffer in known()
"""

# The state of MMRazor after imports that failed, or didn't, and the repair.
STATE = """
import mmrazor.engine, mmrazor.models, mmrazor.registry
modules = sorted(n for n in sys.modules if n.startswith('mmrazor.'))
print(json.dumps(dict(
    modules={n: sorted(k for k in vars(sys.modules[n]) if k[0] != '_')
             for n in modules},
    registered={name: sorted(registry.module_dict)
                for name, registry in vars(mmrazor.registry).items()
                if hasattr(registry, 'module_dict')})))
"""
ADDED = """
print(json.dumps(dict(done=done, allowed=allowed)))
"""
SPAWN = """
with multiprocessing.get_context('spawn').Pool(1) as pool:
    print(json.dumps(dict(here=done, there=pool.apply(compat.apply))))
"""


@pytest.fixture(scope='module')
def start(tmp_path_factory):
    """Start a script in a fresh process."""
    folder = tmp_path_factory.mktemp('folder')
    (folder / 'alone').mkdir()
    (folder / 'alone' / '__init__.py').touch()
    for module in (compat, safe_loading):
        shutil.copy(module.__file__, str(folder / 'alone'))

    def _start(script, *args, **environ):
        path = os.pathsep.join([str(ROOT), str(folder)])
        return subprocess.Popen(
            [sys.executable, '-c', script, *args],
            env=dict(os.environ, PYTHONPATH=path, **environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
        )

    return _start


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out, json.loads(out.splitlines()[-1])


@pytest.fixture(scope='module')
def native(start):
    """What works in a process without the plugin."""
    return finish(start(NATIVE))[1]


# ------------------------------------------------------------ what is done


def test_repairs_what_is_broken_and_nothing_else(start, native):
    out, found = finish(start(REPAIRED))
    broken = [
        not native[what] for what in ('quantisation', 'checkpoints', 'inplace')
    ]
    assert len(found['done']) == sum(broken)
    assert out.count('mmrazor_lakd: ') == any(broken)
    assert ("MMRazor's quantisation" in str(found['done'])) == broken[0]
    assert ('torch.load' in str(found['done'])) == broken[1]
    assert ('in-place' in str(found['done'])) == broken[2]
    assert (found['backend_configs'] == 'Unavailable') == broken[0]
    assert found['allowed'] == broken[1]
    assert 'KLDivergence' in found['loss'] and found['subnet']


def test_a_protection_that_is_off_stays_on_for_mmengine(start, native):
    """What it loads by :mod:`mmrazor_lakd.safe_loading` needs the repair."""
    environ = dict(TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD='1')
    _, found = finish(start(ALONE + ADDED, **environ))
    assert found['allowed'] == (not native['checkpoints'])
    assert len(found['done']) == sum(not works for works in native.values())


def test_workers_and_other_ranks_repair_in_silence(start):
    master = start(ALONE + SPAWN, RANK='0')
    other = start(ALONE + ADDED, RANK='1')
    (out, found), (silent, same) = finish(master), finish(other)
    assert found['here'] == found['there'] == same['done']
    assert out.count('mmrazor_lakd: ') == bool(found['here'])
    assert 'mmrazor_lakd: ' not in silent


def test_an_import_that_failed_before_is_repaired_too(start):
    fresh = start(ALONE + STATE)
    tried = start(ALONE + STATE, 'mmrazor.models', 'mmrazor.engine')
    (_, fresh), (_, tried) = finish(fresh), finish(tried)
    assert len(fresh['registered']['MODELS']) > 100
    assert tried == fresh


# ----------------------------------------------------- placeholders in use


@pytest.fixture
def quantisation(native):
    """The stand-in module; there is none to test where MMRazor's works."""
    from mmrazor.structures import quantization

    if native['quantisation']:
        assert isinstance(quantization.BackendConfigs, dict)
        assert quantization.__file__.endswith('__init__.py')
        pytest.skip("MMRazor's own quantisation works on this PyTorch")
    return quantization


@pytest.mark.parametrize(
    'use',
    [
        lambda config: config(),
        lambda config: config['native'],
        lambda config: config.items,
        lambda config: 'native' in config,
        lambda config: list(config),
        lambda config: isinstance(1, config),
        lambda config: issubclass(int, config),
        lambda config: exec('class Mine(config): pass', dict(config=config)),
    ],
)
def test_any_use_of_a_placeholder_is_refused(quantisation, use):
    for config in (quantisation.BackendConfigs, quantisation.QConfigHandler):
        with pytest.raises(ImportError) as caught:
            use(config)
        assert_clear(str(caught.value))


class Toy(BaseModel):
    """The smallest model that can be quantised."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return inputs


def assert_clear(message):
    """One sentence with what, why and what to do."""
    assert "MMRazor's quantisation" in message
    assert f'PyTorch {torch.__version__} lacks ' in message
    assert 'torch.ao.quantization' in message
    assert 'install torch 1.13' in message
    assert message.count('\n') == 0


@pytest.mark.parametrize(
    'quantizer',
    [
        dict(type='AcademicQuantizer', qconfig_mapping=dict(_global_={})),
        dict(type='TorchNativeQuantizer', global_qconfig={}),
        dict(type='OpenVINOQuantizer', global_qconfig={}),
        dict(type='TensorRTQuantizer', global_qconfig={}),
    ],
    ids=lambda quantizer: quantizer['type'],
)
def test_quantizers_are_refused(quantisation, quantizer):
    from mmrazor.registry import MODELS

    quantizer = dict(
        quantizer, _scope_='mmrazor', tracer=dict(type='CustomTracer')
    )
    with pytest.raises(ImportError, match='install torch 1.13') as caught:
        MODELS.build(copy.deepcopy(quantizer))
    assert_clear(str(caught.value).strip())
    algorithm = dict(
        _scope_='mmrazor',
        type='MMArchitectureQuant',
        architecture=Toy(),
        quantizer=quantizer,
    )
    with pytest.raises(ImportError, match='install torch 1.13'):
        MODELS.build(algorithm)


def test_placeholders_can_be_imported_named_and_copied(quantisation):
    from typing import Optional

    import mmrazor.structures.quantization.backend_config.native as backend
    from mmrazor.structures import BackendConfigs
    from mmrazor.structures.quantization.qconfig import QConfigHandler

    assert 'unavailable' in repr(backend.get_native_backend_config)
    assert BackendConfigs is quantisation.BackendConfigs
    assert Optional[QConfigHandler]
    assert copy.deepcopy(QConfigHandler)._name == QConfigHandler._name
    with pytest.raises(ImportError, match='NoSuchName'):
        from mmrazor.structures.quantization import NoSuchName  # noqa: F401
    with pytest.raises(ModuleNotFoundError):
        import mmrazor.structures.quantization.no_such_module  # noqa: F401
    with pytest.raises(AttributeError):
        quantisation.no_such_name  # noqa: B018
