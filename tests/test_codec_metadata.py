"""Profiles, metadata and frames of picture files through the codec."""

from __future__ import annotations

import numpy as np
import pytest
from codec_checks import QUICK, squared_error
from numpy.typing import NDArray
from picture_files import saved, swapped_profile
from PIL import Image

import taichi_gs
from taichi_gs import ImageError, OptionError, Picture

Bytes = NDArray[np.uint8]


def test_profile_and_metadata_come_back(picture: Bytes) -> None:
    profile = swapped_profile()
    exif = Image.Exif()
    exif[271] = "a camera"
    data = saved(Image.fromarray(picture), "jpeg", icc_profile=profile, exif=exif, xmp=b"<xmp/>")
    plain = taichi_gs.encode(data, **QUICK)
    kept = taichi_gs.encode(data, keep_metadata=True, **QUICK)
    assert (taichi_gs.info(plain).metadata, taichi_gs.info(kept).metadata) == (("icc",), ("icc", "exif", "xmp"))
    decoded = taichi_gs.decode_picture(plain)
    assert (decoded.icc_profile, decoded.exif, decoded.xmp) == (profile, None, None)
    decoded = taichi_gs.decode_picture(kept)
    assert (decoded.icc_profile, decoded.exif, decoded.xmp) == (profile, exif.tobytes()[6:], b"<xmp/>")
    np.testing.assert_array_equal(decoded.pixels, taichi_gs.decode(plain))
    again = taichi_gs.encode(decoded, **QUICK)
    assert taichi_gs.decode_picture(again).exif == exif.tobytes()[6:]


def test_profiles_count_as_bytes(picture: Bytes) -> None:
    described = Picture(picture, swapped_profile())
    assert len(taichi_gs.encode(described, preset="fast", steps=10, num_bytes=3000)) <= 3000
    with pytest.raises(OptionError, match=r"too few for this picture with its .*: at least [\d,]+$") as caught:
        taichi_gs.encode(described, num_bytes=200)
    least = int(str(caught.value).split()[-1].replace(",", ""))
    assert len(taichi_gs.encode(described, preset="fast", steps=10, num_bytes=least)) <= least


def test_srgb_on_request(picture: Bytes, encoded: bytes) -> None:
    """The profile of which red and green are swapped: as sRGB, the picture has them the other way round."""
    swapped = np.dstack([picture[:, :, [1, 0, 2]], np.full((24, 32), 255, np.uint8)])
    swapped[2:9, 3:9, 3] = 0
    data = taichi_gs.encode(Picture(swapped, swapped_profile()), srgb=True, **QUICK)
    assert (taichi_gs.info(data).mode, taichi_gs.info(data).metadata) == ("RGBA", ())
    unswapped = taichi_gs.encode(np.dstack([picture, swapped[:, :, 3]]), **QUICK)
    assert squared_error(taichi_gs.decode(data), taichi_gs.decode(unswapped)) < 50
    assert taichi_gs.encode(picture, srgb=True, **QUICK) == encoded


def test_the_first_frame(picture: Bytes, encoded: bytes) -> None:
    frames = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    data = saved(frames[0], save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="several pictures or frames"):
        taichi_gs.encode(data, **QUICK)
    assert taichi_gs.encode(data, first_frame=True, **QUICK) == encoded
