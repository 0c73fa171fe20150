"""A file is made once, of integers, and nothing is parsed on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import icc_profile

import taichi_gs
from taichi_gs.encoder import encode
from taichi_gs.encoder.presets import configure
from taichi_gs.format import bitstream, payload
from taichi_gs.pictures.picture import Picture


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often a file was made, and how often something was read from one, whoever asked for it."""
    counts = {"serialize": 0, "parse_header": 0, "decode_payload": 0}

    def counted(name: str, function: Any) -> Any:
        def count(*arguments: Any, **options: Any) -> Any:
            counts[name] += 1
            return function(*arguments, **options)

        return count

    monkeypatch.setattr(encode, "serialize", counted("serialize", bitstream.serialize))
    monkeypatch.setattr(bitstream, "_parse_header", counted("parse_header", bitstream._parse_header))
    for module in (bitstream, payload):
        monkeypatch.setattr(module, "decode_payload", counted("decode_payload", payload.decode_payload))
    return counts


def transparent_gray(picture: NDArray[np.uint8]) -> Picture:
    alpha = np.linspace(0, 255, 32).astype(np.uint8)[None].repeat(24, axis=0)
    return Picture(np.dstack([picture[:, :, 0], alpha]), icc_profile=icc_profile(b"mntr", b"GRAY", b"XYZ ", {}))


@pytest.mark.parametrize("goal", [{}, {"num_bytes": 700}, {"psnr": 15.0}, {"restarts": 2}])
def test_a_picture_with_alpha_is_two_files(
    picture: NDArray[np.uint8], calls: dict[str, int], goal: dict[str, Any]
) -> None:
    """The picture, and its alpha plane within it."""
    config = configure("fast", {"steps": 20, "k": 8, **goal})
    data = encode.encode_picture(transparent_gray(picture), config, "auto", lambda *progress: None)
    assert calls == {"serialize": 2, "parse_header": 0, "decode_payload": 0}
    info = taichi_gs.info(data)
    assert (info.mode, info.metadata) == ("LA", ("icc",))
    assert calls["parse_header"] == 2  # both are counted where they happen


def test_an_opaque_picture_is_one_file(picture: NDArray[np.uint8], calls: dict[str, int]) -> None:
    config = configure("fast", {"steps": 20, "k": 8})
    encode.encode_picture(Picture(picture), config, "auto", lambda *progress: None)
    assert calls == {"serialize": 1, "parse_header": 0, "decode_payload": 0}
