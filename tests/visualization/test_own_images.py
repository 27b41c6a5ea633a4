"""Every file is converted or refused, by name and with the reason."""

import numpy as np
import pytest
from bad_images import photo, write_bad, write_good
from PIL import Image

from mmrazor_lakd.visualization.own_images import (
    UnusableImage,
    find_images,
    read_image,
)


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp('good')
    return folder, write_good(folder)


def test_good_files_are_converted_and_it_is_said_how(good):
    folder, expected = good
    found = {name: read_image(folder / name) for name in expected}
    assert {name: notes for name, (_, notes) in found.items()} == expected
    images = {name: image for name, (image, _) in found.items()}
    for image in images.values():
        assert image.dtype == np.uint8 and image.shape[2] == 3
    plain = np.asarray(photo())
    for name in ('plain.png', 'opaque.png', 'named wrongly.dat'):
        assert (images[name] == plain).all()
    # half of each value, half of white; a unit of rounding
    laid = plain * (128 / 255) + 255 * (127 / 255)
    assert np.abs(images['alpha.png'] - laid).max() <= 1
    ramp = np.linspace(0, 65535, 2400).reshape(40, 60) / 257
    assert np.abs(images['sixteen.png'] - ramp[..., None]).max() <= 0.51
    turned = np.asarray(photo().transpose(Image.Transpose.ROTATE_270))
    assert images['turned.jpg'].shape == turned.shape == (60, 40, 3)
    assert np.abs(images['turned.jpg'].astype(int) - turned).mean() < 12
    assert images['tiny.png'].shape == (1, 1, 3)
    assert images['huge.png'].shape == (1056, 1056, 3)
    assert (images['huge.png'] == 255).all()
    grey = images['grey.jpg']
    assert (grey == grey[..., :1]).all()


def test_bad_files_are_refused_with_the_reason(tmp_path):
    for name, reason in write_bad(tmp_path).items():
        with pytest.raises(UnusableImage, match=reason):
            read_image(tmp_path / name)


def test_paths(tmp_path):
    for folder in ('some/below', 'none', 'some/.hidden'):
        (tmp_path / folder).mkdir(parents=True)
    for name in ('some/b.PNG', 'some/below/a.jpg', 'some/.hidden/c.png'):
        photo().save(tmp_path / name)
    (tmp_path / 'some/notes.txt').write_text('none')
    (tmp_path / 'none/paper.pdf').write_text('none')
    file = tmp_path / 'some/notes.txt'
    found = find_images(
        [*map(str, (tmp_path / 'some', tmp_path / 'none', file))]
        + [str(tmp_path / 'some/bb.PNG')]
    )
    names = ['b.PNG', 'a.jpg', 'notes.txt']
    assert [path.name for path in found.files] == names
    assert found.refused == {
        str(tmp_path / 'none'): 'is a folder without images',
        str(tmp_path / 'some/bb.PNG'): 'does not exist; the nearest names '
        'are: b.PNG',
    }
    assert found.left_out == {str(tmp_path / 'some'): [file]}
