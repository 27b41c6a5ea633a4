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
    """Checks files by their content, and reports what is missing.

    Mixed into MMPretrain's CIFAR10 or CIFAR100, whose address, file names, MD5
    sums and layout it uses. Only the files of the chosen split are checked.
    """

    #: SHA-256 of pixels and labels by file name, where they are known
    content: Dict[str, str] = {}
    #: another way to get the files, with ``{root}`` for the folder
    recipe = ''

    def _split_files(self) -> List[Tuple[str, str]]:
        """Return the file names with the official files' MD5."""
        return self.train_list if self.split == 'train' else self.test_list

    def _path(self, name: str) -> str:
        return join_path(self.data_prefix['root'], self.base_folder, name)

    def _accepts(self, name: str, md5: str, content: bytes) -> bool:
        """Check whether a file is the official one or has its content."""
        if is_official_content(content, self.content.get(name)):
            return True
        return hashlib.md5(content).hexdigest() == md5

    def _problem(self) -> Optional[str]:
        """Describe what is wrong with the first bad file, or return None."""
        for name, md5 in self._split_files():
            path = self._path(name)
            if not exists(path):
                return f'{path} is missing'
            if not self._accepts(name, md5, get(path)):
                return f'{path} is damaged or not the official data'
        return None

    def _check_integrity(self) -> bool:
        """Check the files; MMPretrain calls this before it reads them."""
        if not getattr(self, '_checked', False):
            self._checked = self._problem() is None
        return self._checked

    def _provide_files(self) -> None:
        """Make sure that the files exist, downloading them if necessary.

        Raises:
            SettingError: If they are missing and could not be downloaded.
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
        """Let MMPretrain download; return what failed, for a sentence."""
        if not self.download:
            return ' and download=False'
        timeout = socket.getdefaulttimeout()
        # otherwise a network that drops packets would block the run for
        # minutes
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
        """Return a dict for each image, as MMPretrain's pipelines expect."""
        self._provide_files()
        return super().load_data_list()


@DATASETS.register_module()
class ConvertedCIFAR10(_CheckedFiles, CIFAR10):
    """MMPretrain's CIFAR10, which also accepts files made from other sources.

    MMPretrain accepts only the official pickles. This class also accepts
    pickles whose pixels and labels are the official ones, such as those of
    ``tools/dataset_converters/cifar10_from_npm.py``: the same images and
    labels in the same order as the official files. This was verified against
    the hashes of the official binary release that Apache MXNet publishes; the
    official Python release, with the images' file names, was not available.

    It takes MMPretrain's arguments and pipelines, one image at a time. See
    :class:`InMemoryCIFAR10` for a faster version.

    Raises:
        SettingError: If files are missing or damaged, and no download is
            possible.
    """

    content = CIFAR10_CONTENT
    recipe = (
        'run `python tools/dataset_converters/cifar10_from_npm.py {root}` or '
    )


class _InMemoryCIFAR(InMemoryDataset):
    """Reads the files checked by :class:`_CheckedFiles`, mixed in after it."""

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
        download (bool): Whether to download missing files. Defaults to True.
        **kwargs: Other keyword arguments of MMPretrain's CIFAR10.

    Raises:
        SettingError: If files are missing or damaged, and no download is
            possible; or if the pipeline has a transform for single images.

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

    The files are identified by their official MD5 only. Labels are the 100
    fine ones. Arguments, errors and usage are those of
    :class:`InMemoryCIFAR10`; the folder is ``cifar-100-python``.
    """

    per_image_alternative = "type='mmpretrain.CIFAR100'"
