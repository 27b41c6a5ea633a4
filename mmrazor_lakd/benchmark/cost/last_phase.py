"""The end of a training that doesn't end as it begins."""

from contextlib import contextmanager
from typing import Iterator

from mmengine.logging import MessageHub
from mmrazor.engine.hooks import StopDistillHook


@contextmanager
def last_phase(runner) -> Iterator[str]:
    """Put a training into its last iteration, if that differs from the first.

    With ``local_phase`` LAKD's cuts end, and with ``StopDistillHook`` the
    distillation does: the whole student's graph is alive then.

    Args:
        runner (Runner): In training, one process.

    Yields:
        str: What differs at the end; empty if nothing does.
    """
    model = runner.model
    distiller = getattr(model, 'distiller', None)
    curriculum = getattr(distiller, 'curriculum', None)
    stops = any(isinstance(hook, StopDistillHook) for hook in runner.hooks)
    if stops:
        before = model.distillation_stopped
        model.distillation_stopped = True
        try:
            yield 'where the distillation has stopped'
        finally:
            model.distillation_stopped = before
    elif curriculum is not None and curriculum.has_phases:
        hub = MessageHub.get_current_instance()
        info = dict(hub.runtime_info)
        hub.update_info('iter', runner.max_iters - 1)
        hub.update_info('epoch', runner.max_epochs - 1)
        try:
            yield 'where the student is trained end to end'
        finally:
            for name in ('iter', 'epoch'):
                hub.update_info(name, info[name])
    else:
        yield ''
