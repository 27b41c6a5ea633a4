"""Images as packed by a network's pipeline, and as shown."""

from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import DATASETS, TRANSFORMS
from PIL import Image, ImageOps

from ..analysis.data import find_pipeline_owners, find_test_loader
from ..checkpoints.networks import Network
from ..config_check.channels import packed_order
from ..errors import SettingError
from ..tracing.dry_run import find_image
from ..tracing.passes import dense_package
from .own_images import UnusableImage, read_image

LOADER = 'LoadImageFromFile'
# Of mmpretrain, mmsegmentation and mmdetection: steps for single images.
PACKERS = ('PackInputs', 'PackSegInputs', 'PackDetInputs')
# What a user's own image doesn't have.
LABELS = 'LoadAnnotations'
# Two image sizes: a pipeline that brings both to one size needs no resizing.
PROBES = ((48, 80), (80, 48))


class Sample(NamedTuple):
    """An image to show.

    Attributes:
        name (str): Its name in the figures.
        inputs (torch.Tensor): As the test pipeline packs it, (C, H, W).
        image (np.ndarray): The same as shown, uint8, (H, W, 3).
        label (int, optional): The true class.
        notes (list[str]): Descriptions of the conversions.
    """

    name: str
    inputs: torch.Tensor
    image: np.ndarray
    label: Optional[int]
    notes: List[str]


def dataset_config(cfg: Config, path: str) -> Dict[str, Any]:
    """Return the config of the test data.

    Raises:
        SettingError: If there is none.
    """
    loader = find_test_loader(cfg)
    if not loader:
        raise SettingError(
            f"The config '{path}' has no test_dataloader, from which images "
            f'and their pipeline are taken; write one.'
        )
    return loader.dataset


def _pipeline_config(dataset: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Find the pipeline for single images, even in a wrapped data set."""
    return list(find_pipeline_owners(dataset)[0].get('pipeline') or [])


def _kind(transform: Dict[str, Any]) -> str:
    """Return a transform's type without its scope."""
    kind = transform['type']
    kind = kind if isinstance(kind, str) else kind.__name__
    return kind.split('.')[-1].split('/')[-1]


class Reader:
    """Makes samples from the test data, and from a user's own images.

    Own images go through the config's test pipeline. If that doesn't bring
    images to one size, as with in-memory data sets, they are first resized and
    centre-cropped to the network's input size.

    Args:
        cfg (Config): With the test data.
        path (str): Path of the config, for the messages.
        network (Network): The network that takes the images.
        size (int, optional): Height and width for own images, if the pipeline
            doesn't determine it. Defaults to that of the dry run.

    Attributes:
        input_size (tuple[int, int]): Height and width of own images as a
            network's input.

    Raises:
        SettingError: If the pipeline determines the size, and one is given.
    """

    def __init__(
        self,
        cfg: Config,
        path: str,
        network: Network,
        size: Optional[int] = None,
    ) -> None:
        self.config = dataset_config(cfg, path)
        self.path = path
        steps = _pipeline_config(self.config)
        self._loads_files = any(_kind(step) == LOADER for step in steps)
        self._packs_bgr = packed_order(find_test_loader(cfg)) == 'BGR'
        # Otherwise the steps are those for in-memory batches.
        per_image = any(_kind(step) in PACKERS for step in steps)
        # As in a training.
        self._scope = cfg.get('default_scope') or 'mmpretrain'
        with DefaultScope.overwrite_default_scope(self._scope):
            self._steps = [
                TRANSFORMS.build(step)
                for step in steps
                if per_image and _kind(step) not in (LOADER, LABELS)
            ]
        distiller = cfg.model.get('distiller') or {}
        image = find_image(
            network.model, 'student', size or distiller.get('input_size')
        )
        self._grey = image.shape[1] == 1
        found = self._pipeline_size()
        if size and found:
            raise SettingError(
                f'--image-size {size} would have no effect: the test pipeline '
                f"of '{path}' makes all images {found[0]}x{found[1]}; leave "
                f'it out, or change the pipeline.'
            )
        # Segmentors and detectors take images of any size.
        any_size = size is None and dense_package(network.model) is not None
        self._resizes = found is None and not any_size
        self.input_size = found or tuple(image.shape[-2:])

    def _pipeline_size(self) -> Optional[Tuple[int, int]]:
        """Find the size to which the pipeline brings all images, if any."""
        try:
            first, second = (
                tuple(self._pack(np.zeros((*probe, 3), np.uint8)).shape[-2:])
                for probe in PROBES
            )
        except Exception:  # such as a crop that needs larger images
            return None
        return first if first == second else None

    def _pack(self, image: np.ndarray) -> torch.Tensor:
        """Run an RGB image (H, W, 3) through the pipeline."""
        if self._grey:
            image = np.asarray(Image.fromarray(image).convert('L'))[..., None]
        elif self._loads_files:
            image = image[..., ::-1]  # as in OpenCV
        image = np.ascontiguousarray(image)
        if not self._steps:
            return torch.from_numpy(image.transpose(2, 0, 1).copy())
        size = image.shape[:2]
        data = dict(img=image, img_shape=size, ori_shape=size)
        for step in self._steps:
            data = step(data)
        return data['inputs']

    def read(self, file: Path) -> Sample:
        """Make a sample from a file.

        Raises:
            UnusableImage: If it isn't an image that the pipeline can use.
        """
        image, notes = read_image(file)
        if self._resizes:
            height, width = self.input_size
            image = np.asarray(
                ImageOps.fit(
                    Image.fromarray(image),
                    (width, height),
                    Image.Resampling.BICUBIC,
                )
            )
        try:
            inputs = self._pack(image)
        except Exception as error:  # from the user's pipeline
            raise UnusableImage(f'fails in the pipeline ({error})') from error
        return Sample(file.name, inputs, self._show(inputs), None, notes)

    def choose(
        self, indices: Optional[Sequence[int]], num: int, seed: int
    ) -> List[int]:
        """Choose images of the test data, and load it.

        Args:
            indices (Sequence[int], optional): Their indices. Defaults to None:
                ``num`` random ones.
            num (int): How many; at most all.
            seed (int): Seed of the draw.

        Raises:
            SettingError: If the test data can't be read, or has fewer images.
        """
        try:
            with DefaultScope.overwrite_default_scope(self._scope):
                self.dataset = DATASETS.build(self.config)
            total = len(self.dataset)
        except SettingError:
            raise
        except Exception as error:  # each data set fails in its own way
            reason = str(error).strip().split('\n')[0]
            raise SettingError(
                f"The test data of '{self.path}' can't be read ({reason}); "
                f'get them, or give images of your own behind the checkpoint.'
            ) from error
        for index in indices or []:
            if not 0 <= index < total:
                raise SettingError(
                    f'--indices has {index}, but the test data are numbered '
                    f'from 0 to {total - 1}.'
                )
        if indices:
            return list(indices)
        return sorted(draw(total, num, seed))

    def take(self, index: int) -> Sample:
        """Make a sample from an image of the test data.

        Raises:
            UnusableImage: If its file is missing or damaged.
        """
        try:
            item = self.dataset[index]
        except Exception as error:  # each data set fails in its own way
            reason = str(error).strip().split('\n')[0]
            raise UnusableImage(f"can't be read ({reason})") from error
        truth = getattr(item['data_samples'], 'gt_label', None)
        label = int(truth) if truth is not None and len(truth) == 1 else None
        inputs = item['inputs']
        return Sample(
            f'test image {index}', inputs, self._show(inputs), label, []
        )

    def _show(self, inputs: torch.Tensor) -> np.ndarray:
        """Turn a packed image into one to show, uint8 (H, W, 3)."""
        image = inputs.permute(1, 2, 0).numpy()
        if image.dtype != np.uint8:  # normalised by the pipeline
            low, high = image.min(), image.max()
            image = ((image - low) / max(high - low, 1e-12) * 255).round()
            image = image.astype(np.uint8)
        if self._packs_bgr:
            image = image[..., ::-1]
        shape = (*image.shape[:2], 3)
        return np.ascontiguousarray(np.broadcast_to(image, shape))


def pad_shown(sample: Sample, size: Sequence[int]) -> Sample:
    """Pad the shown image at the bottom and the right, as the network's is.

    Data preprocessors of detectors pad to a multiple of 32; the maps cover
    the padded image.

    Args:
        sample (Sample): The image.
        size (Sequence[int]): Height and width of the network's input.
    """
    height, width = sample.image.shape[:2]
    bottom, right = max(size[0] - height, 0), max(size[1] - width, 0)
    image = np.pad(sample.image, ((0, bottom), (0, right), (0, 0)))
    return sample._replace(image=image)


def draw(total: int, num: int, seed: int) -> List[int]:
    """Draw up to ``num`` distinct numbers below ``total``."""
    # Its numbers are the same in all versions of NumPy.
    return np.random.RandomState(seed).permutation(total)[:num].tolist()
