"""Files that the wrong inputs name: checkpoints and others, some damaged."""

import os
import pickle
from pathlib import Path

import torch


class Code:
    """What runs something when it is unpickled."""

    def __reduce__(self):
        return os.system, ('true',)


def make_files(folder: Path) -> None:
    """Write them.

    Args:
        folder (Path): Where.
    """
    import mmrazor_lakd  # noqa: F401
    from conftest import classifier
    from mmpretrain.registry import MODELS

    torch.manual_seed(0)
    for name, depth in (('teacher', 20), ('student', 8), ('other', 14)):
        model = MODELS.build(classifier(depth))
        model.init_weights()
        torch.save(
            dict(state_dict=model.state_dict(), meta={}),
            folder / f'{name}.pth',
        )
    whole = (folder / 'teacher.pth').read_bytes()
    (folder / 'truncated.pth').write_bytes(whole[: len(whole) // 2])
    (folder / 'text.pth').write_text('not a checkpoint\n')
    (folder / 'empty.pth').touch()
    torch.save(
        dict(state_dict=model.state_dict(), extra=Code()), folder / 'code.pth'
    )
    (folder / 'pickled.pth').write_bytes(pickle.dumps(Code()))
