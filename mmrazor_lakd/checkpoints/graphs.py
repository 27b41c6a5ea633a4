"""Write a network as a graph that runs without its Python code."""

import importlib.util
import inspect
import warnings
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, DefaultScope
from torch import Tensor, nn

from ..config_check import reduce
from ..errors import SettingError
from ..tracing.dry_run import find_image


class Raw(nn.Module):
    """A model of MMEngine's as a function of images alone.

    Args:
        model (nn.Module): The model; its ``mode='tensor'`` is what is
            computed, a classifier's logits.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        # The ONNX exporter gives the model the mode of this module.
        self.eval()

    def forward(self, images: Tensor):
        return self.model(images, mode='tensor')


def example_images(
    cfg: Config, model: nn.Module, shape: Optional[Sequence[int]] = None
) -> Tensor:
    """Return two normalised images, (2, C, H, W), of the size for a graph.

    Args:
        cfg (Config): Config of the model.
        model (nn.Module): The model.
        shape (Sequence[int], optional): Height and width of random images.
            Defaults to None: the first image of the test data.

    Raises:
        SettingError: If the test data can't be loaded, or the model takes no
            images of that shape.
    """
    if shape is not None:
        try:
            image = find_image(model, 'student', shape)
        except SettingError as error:
            reason = str(error).partition(';')[0]
            raise SettingError(
                f'--shape is wrong ({reason}); write the height and width of '
                f"the student's images."
            ) from error
        return torch.randn(2, *image.shape[1:])
    try:
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            sample = DATASETS.build(cfg.test_dataloader.dataset)[0]
        data = pseudo_collate([sample, sample])
        return model.data_preprocessor(data, False)['inputs']
    except Exception as error:  # whatever a data set raises
        raise SettingError(
            f'A graph has the size of the test images, which are not here '
            f'({reduce(error)}); write it as --shape HEIGHT WIDTH.'
        ) from error


def check_onnx() -> None:
    """Raise if the package that PyTorch's exporter needs is missing.

    Raises:
        SettingError: If so.
    """
    if importlib.util.find_spec('onnx') is None:
        raise SettingError(
            "--onnx needs the package 'onnx', which is not installed; "
            'install it (pip install onnx), or leave the option out.'
        )


def check_torch_export() -> None:
    """Raise if this PyTorch has no ``torch.export``.

    Raises:
        SettingError: If so.
    """
    if not hasattr(torch, 'export'):
        raise SettingError(
            f'--torch-export needs PyTorch 2.1 or newer, and this is '
            f'{torch.__version__}; leave it out, or install another PyTorch.'
        )


def check_logits(model: nn.Module, images: Tensor) -> None:
    """Raise if a model gives anything but one tensor, as a graph would.

    Args:
        model (nn.Module): The model, in eval mode.
        images (Tensor): Preprocessed images, (N, C, H, W).

    Raises:
        SettingError: If so: which outputs its predictions are made of, its
            own Python code says.
    """
    with torch.no_grad():
        found = Raw(model)(images)
    if not isinstance(found, Tensor):
        raise SettingError(
            f'--onnx and --torch-export write a network that gives one '
            f'tensor, but {type(model).__name__} gives a '
            f'{type(found).__name__}; leave them out, and write its graph '
            f'with MMDeploy.'
        )


@torch.no_grad()
def takes_any_number(model: nn.Module, images: Tensor) -> bool:
    """Check whether a model's trace is right for any number of images.

    Some models compute with the number of images in Python, such as the
    windows of Swin: a trace takes it for a constant, and is silently wrong
    for others.

    Args:
        model (nn.Module): The model, in eval mode.
        images (Tensor): Preprocessed images, (N, C, H, W).
    """
    raw = Raw(model)
    more = torch.cat([images, images.flip(-1), images[:1]])
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        trace = torch.jit.trace(raw, images, check_trace=False)
        for number in (1, len(more)):
            expected = raw(more[:number])
            try:
                found = trace(more[:number])
            except RuntimeError:  # of shapes that don't fit
                return False
            if found.shape != expected.shape or not torch.allclose(
                found, expected, rtol=1e-3, atol=1e-3 * expected.abs().max()
            ):
                return False
    return True


@torch.no_grad()
def export_onnx(model: nn.Module, images: Tensor, path: Path) -> None:
    """Write a model as ONNX.

    With PyTorch's exporter by tracing, which needs the package onnx alone.

    Args:
        model (nn.Module): The model, in eval mode.
        images (Tensor): Preprocessed images, (N, C, H, W), which the graph's
            input ``images`` is like. One image makes a graph for one image at
            a time, several one for any number, see :func:`takes_any_number`.
        path (Path): The file to write.
    """
    # PyTorch 2.9 and later would take another one, which needs onnxscript.
    known = inspect.signature(torch.onnx.export).parameters
    options: Dict[str, Any] = dict(dynamo=False) if 'dynamo' in known else {}
    if len(images) > 1:
        axes = dict(images={0: 'batch'}, logits={0: 'batch'})
        options.update(dynamic_axes=axes)
    with warnings.catch_warnings():
        # of checks of sizes in Python, and of its own age
        warnings.simplefilter('ignore')
        torch.onnx.export(
            Raw(model),
            (images,),
            str(path),
            input_names=['images'],
            output_names=['logits'],
            **options,
        )


@torch.no_grad()
def export_program(model: nn.Module, images: Tensor, path: Path) -> None:
    """Write what ``torch.export`` makes of a model, see above."""
    options: Dict[str, Any] = {}
    if len(images) > 1:
        batch = torch.export.Dim('batch')
        options.update(dynamic_shapes=dict(images={0: batch}))
    program = torch.export.export(Raw(model), (images,), **options)
    torch.export.save(program, str(path))
