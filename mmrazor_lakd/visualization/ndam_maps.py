"""NDAM maps of trained models, as arrays and as pictures."""

from typing import Dict, List, Sequence

import numpy as np
import torch
from mmrazor.models.task_modules import RecorderManager
from torch import nn

from ..losses import ndam_map


@torch.no_grad()
def collect_ndam_maps(
    model: nn.Module, images: torch.Tensor, sources: Sequence[str]
) -> List[np.ndarray]:
    """Compute a model's NDAM maps at some of its modules.

    Args:
        model (nn.Module): A classifier, in eval mode.
        images (torch.Tensor): Preprocessed images, (N, C, H, W).
        sources (Sequence[str]): Names of modules that give feature maps.

    Returns:
        list[np.ndarray]: For each source (N, H', W'), of spatial mean 1.
    """
    recorders = RecorderManager(
        {
            source: dict(
                _scope_='mmrazor', type='ModuleOutputs', source=source
            )
            for source in sources
        }
    )
    recorders.initialize(model)
    with recorders:
        model(images, mode='tensor')
    maps = []
    for source in sources:
        recorder = recorders.get_recorder(source)
        maps.append(ndam_map(recorder.get_record_data())[:, 0].cpu().numpy())
        recorder.reset_data_buffer()
    return maps


def map_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Mean over the images of the correlation between two maps of each.

    Args:
        first (np.ndarray): Maps (N, H, W).
        second (np.ndarray): Maps of the same shape.

    Returns:
        float: From -1 to 1. An image with a constant map doesn't count; nan
        if there is no other.
    """
    a, b = (maps.reshape(len(maps), -1) for maps in (first, second))
    a, b = (maps - maps.mean(1, keepdims=True) for maps in (a, b))
    norm = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    valid = norm > 0
    return float(((a * b).sum(1)[valid] / norm[valid]).mean())


def plot_ndam_maps(
    figure,
    images: np.ndarray,
    modules: Dict[str, Dict[str, np.ndarray]],
) -> None:
    """Draw a row an image: the image, then each module's maps side by side.

    All maps share one colour scale, on which 1 is an image's mean.

    Args:
        figure (matplotlib.figure.Figure | SubFigure): Where to draw.
        images (np.ndarray): (N, H, W, 3), 0 to 255.
        modules (dict): For each module's title a dict that gives, for each
            model's title, the maps (N, H', W').
    """
    titles = [
        (module, model) for module, maps in modules.items() for model in maps
    ]
    # An empty column between two modules.
    widths = [1.0]
    for index, (module, _) in enumerate(titles):
        if index == 0 or titles[index - 1][0] != module:
            widths.append(0.25)
        widths.append(1.0)
    axes = figure.subplots(
        len(images),
        len(widths),
        squeeze=False,
        gridspec_kw=dict(width_ratios=widths, wspace=0.05, hspace=0.05),
    )
    for axis in axes.flat:
        axis.set_axis_off()
    columns = [i for i, width in enumerate(widths) if width == 1.0][1:]
    top = np.percentile(
        np.concatenate(
            [m.ravel() for maps in modules.values() for m in maps.values()]
        ),
        99,
    )
    for row, image in zip(axes, images):
        row[0].imshow(image.astype(np.uint8))
    axes[0, 0].set_title('image', fontsize=9)
    for column, (module, model) in zip(columns, titles):
        axes[0, column].set_title(f'{module}\n{model}', fontsize=9)
        for row, values in zip(axes, modules[module][model]):
            shown = row[column].imshow(
                values, cmap='cividis', vmin=0, vmax=top
            )
    bar = figure.colorbar(shown, ax=axes, shrink=0.8, pad=0.01, aspect=30)
    bar.set_label("attention, 1 = the image's mean")
