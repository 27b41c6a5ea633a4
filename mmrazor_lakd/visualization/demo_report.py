"""The demo's report: accuracy curves and NDAM maps."""

from pathlib import Path
from typing import Any, Dict, List, Sequence

import torch
from matplotlib.figure import Figure
from mmengine.config import Config
from mmpretrain.apis import get_model
from mmpretrain.registry import DATASETS
from torch import nn

from ..analysis import map_correlation
from ..analysis.map_figures import plot_ndam_maps
from ..plotting import BLACK, GREEN, ORANGE, SKY_BLUE, literal_text
from .ndam_maps import collect_ndam_maps

COLORS = [BLACK, ORANGE, SKY_BLUE, GREEN]
MARKERS = ['o', 's', '^', 'D']
SOURCES = {
    'module 1': 'backbone.layer1.preact',
    'module 2': 'backbone.layer2.preact',
}


def load_classifier(config: Path, checkpoint: Path) -> nn.Module:
    """Load a classifier, or the student of a distillation."""
    model = get_model(str(config), pretrained=str(checkpoint), device='cpu')
    model.eval()
    return model


@literal_text
def draw_report(
    path: Path,
    titles: Sequence[str],
    curves: Sequence[List[float]],
    configs: Sequence[Path],
    checkpoints: Sequence[Path],
    num_images: int = 4,
) -> None:
    """Draw the curves and the NDAM maps of a teacher and its students.

    Args:
        path (Path): The file to write.
        titles (Sequence[str]): Names of the models, the teacher first.
        curves (Sequence[list[float]]): Their accuracies by epoch, in %.
        configs (Sequence[Path]): Their configs.
        checkpoints (Sequence[Path]): Their checkpoints.
        num_images (int): Number of test images to show, one of each class.
            Defaults to 4.
    """
    models = [load_classifier(*pair) for pair in zip(configs, checkpoints)]
    dataset = DATASETS.build(
        Config.fromfile(str(configs[0])).test_dataloader.dataset
    )
    images = torch.stack([item['inputs'] for item in dataset])
    maps = [
        collect_ndam_maps(
            getattr(model, 'architecture', model),
            model.data_preprocessor({'inputs': images})['inputs'],
            list(SOURCES.values()),
        )
        for model in models
    ]
    names = ['teacher'] + [title.split()[-1] for title in titles[1:]]
    labels = dataset.get_gt_labels().tolist()
    chosen = [labels.index(label) for label in range(num_images)]
    modules: Dict[str, Dict[str, Any]] = {}
    for index, module in enumerate(SOURCES):
        modules[module] = {}
        for name, own in zip(names, maps):
            label = name
            if name != 'teacher':
                pair = (torch.from_numpy(m[index]) for m in (own, maps[0]))
                r = map_correlation(*pair).nanmean().item()
                label = f'{name}, r = {r:.2f}'
            modules[module][label] = own[index][chosen]

    figure = Figure(figsize=(12, 9.5), layout='constrained')
    top, bottom = figure.subfigures(2, 1, height_ratios=[0.75, 1])
    _draw_curves(top.subplots(), titles, curves)
    bottom.suptitle(
        'Where the maps are active (NDAM), and their correlation r with the '
        "teacher's over all test images",
        fontsize=11,
    )
    plot_ndam_maps(bottom, images[chosen].permute(0, 2, 3, 1).numpy(), modules)
    figure.savefig(path, dpi=110)


def _draw_curves(axis, titles, curves) -> None:
    """Draw the accuracies over the epochs."""
    for title, curve, color, marker in zip(titles, curves, COLORS, MARKERS):
        axis.plot(
            range(1, len(curve) + 1),
            curve,
            color=color,
            marker=marker,
            markersize=4,
            label=title,
        )
    axis.set_xlabel('epoch')
    axis.set_ylabel('top-1 on the test images, %')
    axis.set_title('scikit-learn digits', fontsize=11)
    axis.grid(alpha=0.3)
    axis.legend(loc='lower right')
