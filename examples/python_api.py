"""Compress a picture at several rates and say what becomes of it.

python examples/python_api.py photo.png 0.05 0.1 0.2
"""

import sys

import taichi_gs
from taichi_gs.pictures.convert import as_byte_image
from taichi_gs.pictures.metrics import psnr
from taichi_gs.pictures.read import read_image


def main(path: str, rates: list[float]) -> None:
    """Print size and quality of the picture at `path` at most at these rates, in bits per pixel."""
    image = as_byte_image(read_image(path))
    for rate in rates:
        data = taichi_gs.encode(image, preset="fast", bits_per_pixel=rate)
        decoded = taichi_gs.decode(data)
        contents = taichi_gs.info(data)
        print(
            f"{len(data):,} bytes, {contents.bits_per_pixel:.3f} bits per pixel, "
            f"{contents.num_gaussians:,} Gaussians, {psnr(image, decoded):.2f} dB"
        )


if __name__ == "__main__":
    main(sys.argv[1], [float(rate) for rate in sys.argv[2:]])
