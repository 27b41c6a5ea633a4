"""Makes up for a validation during which a training was killed."""

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from ..epoch_position import batches_done


@HOOKS.register_module()
class MissedValidationHook(Hook):
    """Evaluates the checkpoint that a training resumes from, if that is due.

    MMEngine saves before it validates, and a training that resumes from such
    a checkpoint goes on with the next epoch: an accuracy is missing, maybe
    the last one, the best checkpoint is that of other epochs, and a schedule
    that waits for a plateau has missed a step. Checkpoints tell whether they
    were saved after their validation.

    Examples:
        >>> default_hooks = dict(missed=dict(type='MissedValidationHook'))
    """

    priority = 'LOWEST'  # when all other hooks are ready to train

    def __init__(self) -> None:
        self._validated = -1

    def before_val_epoch(self, runner) -> None:
        """Note the iteration; nothing is saved before its validation ends."""
        self._validated = runner.iter

    def before_save_checkpoint(self, runner, checkpoint) -> None:
        """Save the iteration of the last validation."""
        checkpoint['validated'] = self._validated

    def after_load_checkpoint(self, runner, checkpoint) -> None:
        """Restore the iteration of the last validation."""
        if runner._resume:
            self._validated = checkpoint.get('validated', -1)

    def before_train(self, runner) -> None:
        """Validate, if the resumed training was killed before it could."""
        if self._validated != runner.iter and _is_due(runner):
            runner.val_loop.run()


def _is_due(runner) -> bool:
    """Check whether a training validates at the iteration it resumes at."""
    loop = runner.train_loop
    if not runner.iter or runner.val_loop is None or batches_done(runner):
        return False
    if isinstance(loop, EpochBasedTrainLoop):
        done, end = loop.epoch, loop.max_epochs
    elif isinstance(loop, IterBasedTrainLoop):
        done, end = loop.iter, loop.max_iters
    else:
        return False
    loop._decide_current_val_interval()
    return done >= loop.val_begin and (
        done % loop.val_interval == 0 or done == end
    )
