"""A whole analysis: the data, the places to compare, both passes."""

from typing import Any, Dict, List, Optional, Sequence

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from rich.progress import Progress

from ..checkpoints.networks import Network
from ..config_check.first_iteration import explained
from ..tracing.passes import dense_package
from .analysis import Analysis
from .data import check_no_overlap, make_probe_loader, make_test_loader
from .places import find_places


def analyze(
    cfg: Config,
    networks: List[Network],
    modules: Optional[Sequence[str]],
    num_images: Optional[int],
    probe_images: int,
    grid: int,
    progress: Progress,
) -> Dict[str, Any]:
    """Run an analysis, showing the time left.

    Args:
        cfg (Config): Config of the analysed student, with its data.
        networks (list[Network]): The teacher, the analysed student, other
            students.
        modules (Sequence[str], optional): See :func:`choose_module_ends`.
        num_images (int, optional): Number of test images; None for all.
        probe_images (int): Training images for the linear probes; 0 for no
            probes. Segmentors and detectors have none.
        grid (int): See :func:`cells`.
        progress (Progress): Shows the progress.

    Returns:
        dict: What :func:`write_analysis_report` takes.

    Raises:
        SettingError: If the data, a module or a network is wrong.
    """
    if any(dense_package(network.model) for network in networks):
        probe_images = 0
    # The data are built in this scope, as in a training.
    init_default_scope(cfg.get('default_scope') or 'mmpretrain')
    with explained(cfg):
        test = make_test_loader(cfg, num_images)
        probe = make_probe_loader(cfg, probe_images) if probe_images else None
        if probe is not None:
            check_no_overlap(test, probe)
        loaders = {'linear probes': probe, 'comparison': test}
        with progress:
            tasks = [
                progress.add_task(
                    f'{name:13}',
                    total=len(networks) * len(loader.dataset),
                    start=False,
                )
                for name, loader in loaders.items()
                if loader is not None
            ]

            def watch(images: int) -> None:
                progress.advance(tasks[0], images)

            preprocessor = networks[1].preprocessor
            images = preprocessor(next(iter(test)), False)['inputs']
            places = find_places(
                cfg.model.get('distiller') or {},
                {network.label: network.model for network in networks},
                tuple(images.shape[-2:]),
                modules,
            )
            # Other devices lack float64.
            device = 'cuda' if get_device() == 'cuda' else 'cpu'
            analysis = Analysis(networks, places, grid, device, watch)
            progress.start_task(tasks[0])
            readouts = None
            if probe is not None:
                readouts = analysis.fit_probes(probe)
                tasks.pop(0)
                progress.start_task(tasks[0])
            found = analysis.measure(test, readouts)
    probed = 0 if probe is None else len(probe.dataset)
    return dict(found, grid=grid, probe_images=probed)
