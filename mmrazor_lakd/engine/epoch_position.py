"""The position in the epoch at which a checkpoint was saved."""

from mmengine.runner import EpochBasedTrainLoop

from ..errors import SettingError

# In the message hub, and thus in every checkpoint.
KEY = 'epoch_begin'


def note_epoch(runner) -> None:
    """Record where an epoch began, when it begins or continues."""
    if not isinstance(runner.train_loop, EpochBasedTrainLoop):
        return
    known = runner.message_hub.runtime_info.get(KEY)
    if runner.iter == 0 or not known or known['epoch'] != runner.epoch:
        begin = dict(
            epoch=runner.epoch,
            iter=runner.iter,
            length=len(runner.train_dataloader),
        )
        runner.message_hub.update_info(KEY, begin)


def batches_done(runner) -> int:
    """Count the batches of the current epoch that were already trained.

    Args:
        runner (Runner): Before its training begins or continues.

    Returns:
        int: 0 if a new epoch is to begin, or if there are no epochs; all of
        them if the checkpoint was saved after the epoch's last iteration, but
        before its end.

    Raises:
        SettingError: If the length of the epochs has changed.
    """
    loop = runner.train_loop
    if runner.iter == 0 or not isinstance(loop, EpochBasedTrainLoop):
        return 0
    length = len(runner.train_dataloader)
    known = runner.message_hub.runtime_info.get(KEY)
    if known is None:  # saved without this library
        done = runner.iter - runner.epoch * length
        return done if 0 < done <= length else 0
    if known['epoch'] != runner.epoch:
        return 0
    done = runner.iter - known['iter']
    if done and known['length'] != length:
        raise SettingError(
            f'The checkpoint was saved within epoch {runner.epoch + 1}, after '
            f'{done} of {known["length"]} iterations, but an epoch has '
            f'{length} now; go on with the same data, batch size and number '
            f"of processes, or from a checkpoint of an epoch's end."
        )
    return done
