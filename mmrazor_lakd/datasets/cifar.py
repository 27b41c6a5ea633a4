"""CIFAR-10 and CIFAR-100, checked by content and held in memory."""

import hashlib
import socket
import tarfile
from http.client import HTTPException
from typing import Dict, List, Optional, Tuple

import numpy as np
import torch
from mmengine import dist
from mmengine.fileio import exists, get, join_path
from mmpretrain.datasets import CIFAR10, CIFAR100, BaseDataset
from mmpretrain.datasets.utils import download_and_extract_archive
from mmpretrain.registry import DATASETS
from torch import Tensor

from ..errors import SettingError
from .cifar_files import CIFAR10_CONTENT, is_official_content, parse_batch
from .in_memory import InMemoryDataset

#: how long a server may be silent before a download counts as failed
DOWNLOAD_TIMEOUT = 20  # seconds


class _CheckedFiles(BaseDataset):
    """Accepts files by what they contain, and says what is missing.

    Mixed into MMPretrain's CIFAR10 or CIFAR100, whose address, file names,
    MD5 sums and layout it takes over. Only the files of the split at hand are
    looked at.
    """

    #: SHA-256 of pixels and labels by file name, where they are known
    content: Dict[str, str] = {}
    #: another way to make the files, with ``{root}`` for the folder
    recipe = ''

    def _split_files(self) -> List[Tuple[str, str]]:
        """File names with the official files' MD5."""
        return self.train_list if self.split == 'train' else self.test_list

    def _path(self, name: str) -> str:
        return join_path(self.data_prefix['root'], self.base_folder, name)

    def _accepts(self, name: str, md5: str, content: bytes) -> bool:
        """Whether a file is the official one or has the official content."""
        if is_official_content(content, self.content.get(name)):
            return True
        return hashlib.md5(content).hexdigest() == md5

    def _problem(self) -> Optional[str]:
        """What is wrong with the first bad file, or None."""
        for name, md5 in self._split_files():
            path = self._path(name)
            if not exists(path):
                return f'{path} is missing'
            if not self._accepts(name, md5, get(path)):
                return f'{path} is damaged or not the official data'
        return None

    def _check_integrity(self) -> bool:
        """MMPretrain asks this before it reads the files."""
        if not getattr(self, '_checked', False):
            self._checked = self._problem() is None
        return self._checked

    def _provide_files(self) -> None:
        """Make sure that the files are there, downloading them if need be.

        Raises:
            SettingError: They are not there and could not be downloaded.
        """
        failure = ''
        if dist.is_main_process() and not self._check_integrity():
            failure = self._try_download()
        dist.barrier()
        if not self._check_integrity():
            root = self.data_prefix['root'].rstrip('/')
            recipe = self.recipe.format(root=root)
            raise SettingError(
                f'{self._problem()}{failure}; {recipe}unpack the official '
                f'{self.filename} ({self.url}) in {root}.'
            )

    def _try_download(self) -> str:
        """Let MMPretrain download; what failed as part of a sentence."""
        if not self.download:
            return ' and download=False'
        timeout = socket.getdefaulttimeout()
        # else a network that drops packets would hold the run for minutes
        socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
        try:
            download_and_extract_archive(
                self.url,
                self.data_prefix['root'],
                filename=self.filename,
                md5=self.tgz_md5,
            )
        except (
            OSError,
            RuntimeError,
            HTTPException,
            tarfile.TarError,
            EOFError,
        ) as error:
            return f' and could not be downloaded ({error})'
        finally:
            socket.setdefaulttimeout(timeout)
        return ''

    def load_data_list(self) -> List[dict]:
        """One dict for each image, as MMPretrain's pipelines expect."""
        self._provide_files()
        return super().load_data_list()


@DATASETS.register_module()
class ConvertedCIFAR10(_CheckedFiles, CIFAR10):
    """MMPretrain's CIFAR10, which also takes files made from other sources.

    MMPretrain accepts the official pickles alone. This accepts, too, pickles
    whose pixels and labels are the official ones, such as those of
    ``tools/dataset_converters/cifar10_from_npm.py``: the same images and
    labels in the same order as the official files. That was verified against
    hashes which Apache MXNet publishes of the official binary release; the
    official Python release, with the images' file names, was not at hand.

    It takes MMPretrain's arguments and pipelines, one image at a time. See
    :class:`InMemoryCIFAR10` for a fast one.

    Raises:
        SettingError: Files are missing or damaged, and no download is
            possible.
    """

    content = CIFAR10_CONTENT
    recipe = (
        'run `python tools/dataset_converters/cifar10_from_npm.py {root}` or '
    )


class _InMemoryCIFAR(InMemoryDataset):
    """Reads what :class:`_CheckedFiles`, mixed in after it, has checked."""

    def load_arrays(self) -> Tuple[Tensor, Tensor]:
        """See :class:`~mmrazor_lakd.datasets.InMemoryDataset`."""
        self._provide_files()
        batches = [
            parse_batch(get(self._path(name)))
            for name, _ in self._split_files()
        ]
        pixels = np.concatenate([data for data, _ in batches])
        labels = np.concatenate([labels for _, labels in batches])
        images = torch.from_numpy(pixels.reshape(-1, 3, 32, 32))
        return images, torch.from_numpy(labels).long()


@DATASETS.register_module()
class InMemoryCIFAR10(_InMemoryCIFAR, ConvertedCIFAR10):
    """CIFAR-10 in memory, read from the official or the converted files.

    Args:
        data_root (str): The folder with ``cifar-10-batches-py``.
        split (str): 'train' or 'test'. Defaults to 'train'.
        pipeline (Sequence): Batch transforms, see
            :class:`~mmrazor_lakd.datasets.InMemoryDataset`.
        download (bool): Whether to download what is missing. Defaults to
            True.
        **kwargs: Other keyword arguments of MMPretrain's CIFAR10.

    Raises:
        SettingError: Files are missing or damaged, and no download is
            possible; or the pipeline has a transform for single images.

    Example:
        >>> dataset = dict(
        ...     type='mmpretrain.InMemoryCIFAR10',
        ...     data_root='data/cifar10',
        ...     split='train',
        ...     pipeline=[
        ...         dict(type='mmpretrain.BatchRandomCrop', padding=4),
        ...         dict(type='mmpretrain.BatchRandomFlip', prob=0.5)])
    """

    per_image_alternative = "type='mmpretrain.ConvertedCIFAR10' or 'CIFAR10'"


@DATASETS.register_module()
class InMemoryCIFAR100(_InMemoryCIFAR, _CheckedFiles, CIFAR100):
    """CIFAR-100 in memory, read from the official files.

    The files are known by their official MD5 alone. Labels are the 100 fine
    ones. Arguments, errors and use are those of :class:`InMemoryCIFAR10`; the
    folder is ``cifar-100-python``.
    """

    per_image_alternative = "type='mmpretrain.CIFAR100'"
