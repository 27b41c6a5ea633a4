"""What a distillation is resumed from beside its weights."""

import pytest
import torch
from conftest import build_model, lakd
from mmengine.hooks import EMAHook
from short_training import run_shortly

from mmrazor_lakd import SettingError

CHOSEN = dict(type='LAKDDistiller', num_modules=2)
SECOND = dict(student='backbone.layer2.0', teacher='backbone.layer2.1')


def resume(path, distiller, work_dir):
    """Go on with a second iteration."""
    settings = dict(iterations=2, resume=True, load_from=str(path))
    return run_shortly(build_model(distiller), work_dir, **settings)


def test_chosen_boundaries_stay_where_they_were(tmp_path):
    """As if another version of PyTorch had chosen the second block."""
    run_shortly(build_model(lakd([SECOND])), tmp_path / 'first')
    path = tmp_path / 'first/iter_1.pth'
    with pytest.raises(
        SettingError, match='num_modules=2 now chooses.*to go on'
    ) as refused:
        resume(path, CHOSEN, tmp_path / 'other')
    said = str(refused.value).rpartition('local_modules=')[2]
    pasted = eval(said[: said.index(']') + 1])
    assert pasted == [dict(SECOND, isolate=True)]
    resume(path, lakd(pasted), tmp_path / 'pasted')


def test_the_same_choice_goes_on(tmp_path):
    run_shortly(build_model(CHOSEN), tmp_path / 'first')
    path = tmp_path / 'first/iter_1.pth'
    found = torch.load(path)
    assert len(found['meta']['local_modules']) == 2
    resume(path, CHOSEN, tmp_path / 'again')
    # and so does one of an earlier version
    del found['meta']['local_modules']
    torch.save(found, tmp_path / 'earlier.pth')
    resume(tmp_path / 'earlier.pth', CHOSEN, tmp_path / 'later')


def test_another_optimizer_is_no_start(tmp_path):
    """That of MMRazor's algorithm has the teacher's parameters."""
    stock = build_model(lakd(), type='SingleTeacherDistill')
    run_shortly(stock, tmp_path / 'stock')
    path = tmp_path / 'stock/iter_1.pth'
    with pytest.raises(SettingError) as refused:
        resume(path, lakd(), tmp_path / 'other')
    own = len(list(build_model(lakd()).parameters()))
    whole = own + len(list(stock.teacher.parameters()))
    for said in (
        f'an optimizer of {whole} parameters in 1 group',
        f"the config's has {own} in 1,",
        f"write load_from='{path}'",
    ):
        assert said in str(refused.value)
    model = build_model(lakd(), seed=1)
    run_shortly(model, tmp_path / 'new', load_from=str(path))


def test_the_teacher_of_load_from_is_there_again(tmp_path):
    """It came with MMRazor's checkpoint, and is in none of ours."""
    stock = build_model(lakd(), type='SingleTeacherDistill', seed=1)
    run_shortly(stock, tmp_path / 'stock')
    source = tmp_path / 'stock/iter_1.pth'
    model = build_model(lakd(), fuse_teacher=False, seed=2)
    run_shortly(model, tmp_path / 'first', load_from=str(source))
    path = tmp_path / 'first/iter_1.pth'
    found = torch.load(path)
    assert found['meta']['teacher_from'] == str(source)
    assert not any(key.startswith('teacher.') for key in found['state_dict'])
    for number in range(2):  # from the first training, from the second
        again = build_model(lakd(), fuse_teacher=False, seed=3)
        folder = tmp_path / f'again{number}'
        run_shortly(
            again,
            folder,
            iterations=2 + number,
            resume=True,
            load_from=str(path),
        )
        expected = stock.teacher.state_dict()
        for key, value in again.teacher.state_dict().items():
            assert torch.equal(value, expected[key])
        path = folder / f'iter_{2 + number}.pth'
    source.unlink()
    with pytest.raises(SettingError, match="load_from='.*stock/iter_1.pth'"):
        resume(path, lakd(), tmp_path / 'gone')


def test_an_averaged_model_has_no_teacher_of_its_own(tmp_path):
    model = build_model(lakd())
    hooks = [dict(type='EMAHook')]
    runner = run_shortly(model, tmp_path, iterations=2, custom_hooks=hooks)
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, EMAHook))
    averaged = hook.ema_model.module
    assert averaged is not model and averaged.teacher is model.teacher
    for name, value in averaged.state_dict().items():
        assert value is not model.state_dict()[name]
