"""Figures of many images, for tools/visualize.py."""

import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence, Set, Union

import numpy as np
from rich.console import Console

from ..cli import check_folder, make_progress
from ..errors import SettingError
from .image_table import ImageTable
from .overview import draw_overview
from .own_images import UnusableImage, find_images
from .samples import Reader, Sample, draw
from .sheet import Sheet, draw_sheet
from .subjects import GallerySettings, Subjects, load_subjects

DPI = 150
# Default number of images drawn from the test data.
NUM = 8


def make_gallery(settings: GallerySettings, console: Console) -> bool:
    """Draw a sheet for each image and an overview; write and print the tables.

    Args:
        settings (GallerySettings): What to show, and where to write it.
        console (Console): Where to print.

    Returns:
        bool: Whether every requested image could be shown.

    Raises:
        SettingError: If a config, a checkpoint or a module is wrong, or no
            image can be shown.
    """
    out = settings.out or Path(
        'work_dirs/visualize', Path(settings.config).stem
    )
    check_folder('--out', out)
    subjects = load_subjects(settings)
    for network in subjects.networks:
        _say(console, f'{network.label}: {network.checkpoint}')
    refused: Dict[str, str] = {}
    chosen = _choose(settings, subjects.reader, refused, console)
    table = ImageTable(subjects.ends, subjects.classes)
    first: List[Sheet] = []
    names: Set[str] = set()
    for sample in _samples(subjects.reader, chosen, refused, console):
        sheet = subjects.make_sheet(sample)
        name = _file_name(sample.name, names)
        _write_sheet(out, name, sheet, subjects)
        table.update(sheet, name)
        if len(first) < settings.overview:
            first.append(sheet)
    if not names:
        first_one, reason = next(iter(refused.items()))
        raise SettingError(
            f'Not one of {len(refused)} image(s) can be shown ({first_one} '
            f'{reason}); give files that Pillow reads.'
        )
    if first:
        overview = draw_overview(first, subjects.ends, subjects.classes)
        overview.savefig(out / 'overview.png', dpi=DPI)
    table.write(out)
    table.print(console)
    _say(console, f'Pictures, maps and tables are in {out}.')
    earlier = {path.stem for path in (out / 'sheets').glob('*.png')} - names
    if earlier:
        _say(
            console,
            f'So are {len(earlier)} sheet(s) of earlier calls, with their '
            f'maps.',
        )
    if refused:
        _say(console, f'{len(refused)} could not be shown; see above.')
    return not refused


def _say(console: Console, line: str) -> None:
    """Print a line literally."""
    console.print(line, highlight=False, markup=False)


def _refuse(refused, console, name: str, reason: str) -> None:
    """Record and print that an image can't be shown."""
    refused[name] = reason
    _say(console, f'{name} {reason}')


def _choose(
    settings: GallerySettings,
    reader: Reader,
    refused: Dict[str, str],
    console: Console,
) -> Sequence[Union[int, Path]]:
    """List the files, or the indices of the test images, to show."""
    if not settings.images:
        num = NUM if settings.num is None else settings.num
        return reader.choose(settings.indices, num, settings.seed)
    found = find_images(settings.images)
    for path, reason in found.refused.items():
        _refuse(refused, console, path, reason)
    for folder, files in found.left_out.items():
        names = ', '.join(file.name for file in files[:3])
        more = ', ...' if len(files) > 3 else ''
        _say(
            console,
            f'{folder}: left out {len(files)} file(s) that are not called '
            f'like an image ({names}{more})',
        )
    if settings.num is None:
        return found.files
    numbers = draw(len(found.files), settings.num, settings.seed)
    return [found.files[number] for number in sorted(numbers)]


def _samples(
    reader: Reader,
    chosen: Sequence[Union[int, Path]],
    refused: Dict[str, str],
    console: Console,
) -> Iterator[Sample]:
    """Read one image after another, showing the time left."""
    done = '{task.completed}/{task.total} images'
    with make_progress(console, done) as progress:
        task = progress.add_task('Drawing', total=len(chosen))
        for item in chosen:
            name = (
                str(item) if isinstance(item, Path) else f'test image {item}'
            )
            try:
                sample = (
                    reader.read(item)
                    if isinstance(item, Path)
                    else reader.take(item)
                )
            except UnusableImage as error:
                _refuse(refused, console, name, str(error))
                progress.advance(task)
                continue
            if sample.notes:
                _say(console, f'{name}: {", ".join(sample.notes)}')
            yield sample
            progress.advance(task)


def _file_name(name: str, taken: Set[str]) -> str:
    """Turn an image's name into a unique file name."""
    stem = re.sub(r'[^\w.-]+', '_', name).strip('.')[:80] or 'image'
    found, number = stem, 1
    while found.lower() in taken:
        number += 1
        found = f'{stem}_{number}'
    taken.add(found.lower())
    return found


def _write_sheet(
    out: Path, name: str, sheet: Sheet, subjects: Subjects
) -> None:
    """Write an image's sheet and the numbers it shows."""
    figure = draw_sheet(sheet, subjects.ends, subjects.classes)
    arrays: Dict[str, Any] = dict(
        image=sheet.sample.image,
        networks=list(sheet.attention),
        modules=[end.title for end in subjects.ends],
    )
    if sheet.has_scores:
        arrays['scores'] = np.concatenate(
            [own.scores for own in sheet.attention.values()]
        )
    for place, own in enumerate(sheet.attention.values()):
        for number, values in enumerate(own.maps, 1):
            arrays[f'map_{place}_{number}'] = values[0]
    for folder in ('sheets', 'maps'):
        (out / folder).mkdir(parents=True, exist_ok=True)
    figure.savefig(out / 'sheets' / f'{name}.png', dpi=DPI)
    np.savez_compressed(out / 'maps' / f'{name}.npz', **arrays)
