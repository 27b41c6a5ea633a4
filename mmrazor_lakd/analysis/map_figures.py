"""Drawing of maps: as overlays, with colour bars, in rows of images."""

from typing import Collection, Iterable, Mapping, Optional, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Perceptually uniform and safe for colour-blind readers: for maps, and for the
# difference of two.
MAP_COLORS = 'cividis'
DIFFERENCE_COLORS = 'RdBu_r'
# Opacity of a map over its image.
OPACITY = 0.75
# Remaining contrast of the image below a map. With more, its bright parts
# would look like high values of the map.
CONTRAST = 0.6
LUMA = (0.299, 0.587, 0.114)


def draw_overlay(
    axis,
    image: np.ndarray,
    values: np.ndarray,
    limits: Sequence[float],
    colors: str = MAP_COLORS,
):
    """Draw a map over its image, which shows through in faint grey.

    Args:
        axis (matplotlib.axes.Axes): Where to draw.
        image (np.ndarray): (H, W, 3), 0 to 255.
        values (np.ndarray): The map, (H', W'); each value covers its part of
            the image.
        limits (Sequence[float]): Values for the first and the last colour.
        colors (str): A matplotlib colour map.

    Returns:
        matplotlib.image.AxesImage: The map, for its colour bar.
    """
    height, width = image.shape[:2]
    place = dict(
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        interpolation='nearest',
    )
    grey = image @ np.array(LUMA) / 255
    faint = 0.5 + CONTRAST * (grey - 0.5)
    axis.imshow(faint, cmap='gray', vmin=0, vmax=1, **place)
    low, high = limits
    shown = axis.imshow(
        values, cmap=colors, vmin=low, vmax=high, alpha=OPACITY, **place
    )
    axis.set_axis_off()
    return shown


def draw_bar(figure, shown, **kwargs):
    """Draw a map's colour bar, with its colours as over mid grey.

    Args:
        figure (matplotlib.figure.Figure | SubFigure): Where to draw.
        shown (matplotlib.image.AxesImage): The map.
        kwargs: Arguments of ``figure.colorbar``.

    Returns:
        matplotlib.colorbar.Colorbar: The bar.
    """
    bar = figure.colorbar(shown, **kwargs)
    if shown.get_alpha() is not None:
        bar.ax.set_facecolor('0.5')
    return bar


def high_end(maps: Iterable[np.ndarray]) -> float:
    """Return the 99th percentile of some maps."""
    return float(np.percentile(np.concatenate([m.ravel() for m in maps]), 99))


def plot_ndam_maps(
    figure,
    images: Collection[np.ndarray],
    modules: Mapping[str, Mapping[str, Collection[np.ndarray]]],
    row_labels: Optional[Sequence[str]] = None,
    overlay: bool = False,
    top: Optional[float] = None,
) -> None:
    """Draw a row for each image: the image, then each module's maps.

    All maps share one colour scale, on which 1 is an image's mean.

    Args:
        figure (matplotlib.figure.Figure | SubFigure): Where to draw.
        images (Collection[np.ndarray]): Each (H, W, 3), 0 to 255.
        modules (dict): For each module's title a dict of maps by model title,
            one (H', W') for each image.
        row_labels (Sequence[str], optional): Labels left of the images, for
            which the caller must leave room.
        overlay (bool): Whether to draw the maps over the images. Defaults to
            False.
        top (float, optional): Upper end of the colour scale. Defaults to the
            maps' own, see :func:`high_end`.
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
        top = high_end(
            values
            for maps in modules.values()
            for model in maps.values()
            for values in model
        )
    for row, image in zip(axes, images):
        row[0].imshow(image.astype(np.uint8))
    axes[0, 0].set_title('image', fontsize=9)
    for row, label in zip(axes, row_labels or []):
        row[0].text(
            -0.08,
            0.5,
            label,
            transform=row[0].transAxes,
            ha='right',
            va='center',
            fontsize=9,
            parse_math=False,
            in_layout=False,
        )
    for column, (module, model) in zip(columns, titles):
        first = model == next(iter(modules[module]))
        title = f'{module if first else ""}\n{model}'
        axes[0, column].set_title(title, fontsize=9, parse_math=False)
        for row, image, values in zip(axes, images, modules[module][model]):
            if overlay:
                shown = draw_overlay(row[column], image, values, (0, top))
            else:
                shown = row[column].imshow(
                    values, cmap=MAP_COLORS, vmin=0, vmax=top
                )
    bar = draw_bar(
        figure, shown, ax=axes, shrink=0.8, pad=0.01, aspect=30, extend='max'
    )
    bar.set_label('attention\n(the mean is 1)', fontsize=9)


def draw_ndam_maps(
    images: Collection[np.ndarray],
    modules: Mapping[str, Mapping[str, Collection[np.ndarray]]],
    top: Optional[float] = None,
    title: str = '',
) -> np.ndarray:
    """Draw the figure of :func:`plot_ndam_maps` into an array.

    Args:
        images (Collection[np.ndarray]): See :func:`plot_ndam_maps`.
        modules (dict): Likewise.
        top (float, optional): Likewise.
        title (str): Title of the figure.

    Returns:
        np.ndarray: RGB, (H, W, 3), uint8.
    """
    columns = 1.2 + sum(0.3 + len(maps) for maps in modules.values())
    figure = Figure(
        figsize=(1.15 * columns + 0.8, 1.15 * len(images) + 0.8),
        layout='constrained',
    )
    figure.suptitle(title, fontsize=11)
    plot_ndam_maps(figure, images, modules, top=top)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
