"""Check that the installed PyTorch and NumPy work together."""

import numpy as np
import torch

from .errors import SettingError


def check_numpy() -> None:
    """Try to convert an array to a tensor, as every data set does.

    PyTorch before 2.3 can't with the NumPy 2 that pip installs with it: it
    warns during some import, and fails in the data loader.

    Raises:
        SettingError: If PyTorch can't use the installed NumPy.
    """
    try:
        torch.from_numpy(np.zeros(1))
    except RuntimeError as error:
        # An opencv-python of 2025 or later would keep pip from using NumPy 1.
        raise SettingError(
            f'PyTorch {torch.__version__} cannot use NumPy {np.__version__} '
            f'({error}); a PyTorch before 2.3 needs '
            f'pip install "numpy<2" opencv-python.'
        ) from error
