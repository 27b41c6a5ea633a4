"""Files of every kind that users have, good and bad."""

import struct
import zlib

import numpy as np
from PIL import Image


def photo(width=60, height=40):
    """A red part on the left, blue on the right, bright above."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2, 0] = 200
    image[:, width // 2 :, 2] = 200
    image[: height // 2] += 55
    return Image.fromarray(image)


def write_good(folder):
    """Files that are converted; for each what is said of it."""
    image = photo()
    image.save(folder / 'plain.png')
    image.convert('L').save(folder / 'grey.jpg')
    image.convert('1').save(folder / 'bits.png')
    half = image.convert('RGBA')
    half.putalpha(Image.fromarray(np.full((40, 60), 128, np.uint8)))
    half.save(folder / 'alpha.png')
    image.convert('RGBA').save(folder / 'opaque.png')
    image.convert('P').save(folder / 'palette.gif')
    corner = image.convert('P').getpixel((0, 0))
    image.convert('P').save(folder / 'hole.png', transparency=corner)
    image.convert('CMYK').save(folder / 'print.jpg')
    sixteen = np.linspace(0, 65535, 2400).reshape(40, 60).astype(np.uint16)
    Image.fromarray(sixteen).save(folder / 'sixteen.png')
    exif = image.getexif()
    exif[0x0112] = 6  # turned right by 90 degrees to be upright
    image.save(folder / 'turned.jpg', exif=exif, quality=95)
    photo(1, 1).save(folder / 'tiny.png')
    Image.new('1', (9500, 9500), 1).save(folder / 'huge.png')
    image.save(folder / 'named wrongly.dat', format='PNG')
    image.save(folder / 'cost_$5_$6 {x} [b].png')
    return {
        'plain.png': [],
        'grey.jpg': ['grey to RGB'],
        'bits.png': ['black and white to RGB'],
        'alpha.png': ['RGBA to RGB', 'transparency laid on white'],
        'opaque.png': ['RGBA to RGB'],
        'palette.gif': ['palette to RGB'],
        'hole.png': ['palette to RGB', 'transparency laid on white'],
        'print.jpg': ['CMYK to RGB'],
        'sixteen.png': ['16 bits to 8', 'grey to RGB'],
        'turned.jpg': ['turned upright'],
        'tiny.png': [],
        'huge.png': [
            'black and white to RGB',
            '9500x9500 to 1056x1056 pixels',
        ],
        'named wrongly.dat': [],
        'cost_$5_$6 {x} [b].png': [],
    }


def write_bad(folder):
    """Files that are refused; for each what is said of it."""
    noise = np.random.RandomState(0).randint(0, 256, (64, 64, 3))
    noise = Image.fromarray(noise.astype(np.uint8))
    for ending in ('png', 'jpg'):
        whole = folder / f'whole.{ending}'
        noise.save(whole)
        content = whole.read_bytes()
        whole.unlink()
        (folder / f'half.{ending}').write_bytes(content[: len(content) // 2])
    (folder / 'empty.png').write_bytes(b'')
    (folder / 'text.jpg').write_text('no image at all\n' * 50)
    floats = np.linspace(-1, 1, 2400).reshape(40, 60).astype(np.float32)
    Image.fromarray(floats).save(folder / 'float.tiff')
    Image.new('L', (4000, 10)).save(folder / 'strip.png')
    # The beginning of 20000x20000 pixels of one byte.
    content = b'\x89PNG\r\n\x1a\n'
    for chunk in (
        b'IHDR' + struct.pack('>2I5B', 20000, 20000, 8, 0, 0, 0, 0),
        b'IDAT' + zlib.compress(bytes(20001)),
    ):
        content += struct.pack('>I', len(chunk) - 4) + chunk
        content += struct.pack('>I', zlib.crc32(chunk))
    (folder / 'bomb.png').write_bytes(content)
    return {
        'half.png': 'is damaged',
        'half.jpg': 'is damaged',
        'empty.png': 'is empty',
        'text.jpg': 'is no image that Pillow can read',
        'float.tiff': 'has pixels from -1 to 1',
        'strip.png': 'is 4000x10, a strip',
        'bomb.png': 'has more than 178 million pixels',
    }
