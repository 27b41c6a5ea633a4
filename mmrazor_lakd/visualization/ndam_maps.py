"""NDAM maps of trained models, as arrays and as pictures."""

from typing import Dict, Iterable, List, Optional, Sequence

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


def high_end(maps: Iterable[np.ndarray]) -> float:
    """Find what 99 in 100 positions of some maps stay below."""
    return float(np.percentile(np.concatenate([m.ravel() for m in maps]), 99))


def plot_ndam_maps(
    figure,
    images: np.ndarray,
    modules: Dict[str, Dict[str, np.ndarray]],
    top: Optional[float] = None,
) -> None:
    """Draw a row an image: the image, then each module's maps side by side.

    All maps share one colour scale, on which 1 is an image's mean.

    Args:
        figure (matplotlib.figure.Figure | SubFigure): Where to draw.
        images (np.ndarray): (N, H, W, 3), 0 to 255.
        modules (dict): For each module's title a dict that gives, for each
            model's title, the maps (N, H', W').
        top (float, optional): Upper end of the colour scale. Defaults to the
            highest of the maps, but for one in a hundred positions.
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
    if top is None:
        top = high_end(m for maps in modules.values() for m in maps.values())
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


def draw_ndam_maps(
    images: np.ndarray,
    modules: Dict[str, Dict[str, np.ndarray]],
    top: Optional[float] = None,
    title: str = '',
) -> np.ndarray:
    """Draw what :func:`plot_ndam_maps` draws, into an array.

    Args:
        images (np.ndarray): As there.
        modules (dict): As there.
        top (float, optional): As there.
        title (str): Above the picture.

    Returns:
        np.ndarray: RGB, (H, W, 3), uint8.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 1.2 + sum(0.3 + len(maps) for maps in modules.values())
    figure = Figure(
        figsize=(1.15 * columns + 0.8, 1.15 * len(images) + 0.8),
        layout='constrained',
    )
    figure.suptitle(title, fontsize=11)
    plot_ndam_maps(figure, images, modules, top)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
