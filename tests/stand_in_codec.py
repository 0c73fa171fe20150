"""JPEG in the place of the codec, for tests of what benchmarks do with files, rows and figures."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import taichi_gs


class StandInCodec:
    """JPEG in the codec's place, with a note of what was asked of it."""

    def __init__(self, fail_at: int | None = None, interrupt_at: int | None = None) -> None:
        self.options: list[dict[str, Any]] = []
        self.fail_at = fail_at
        self.interrupt_at = interrupt_at

    def encode(self, image: NDArray[Any], **options: Any) -> bytes:
        if len(self.options) == self.fail_at:
            raise taichi_gs.OptionError("no more")
        if len(self.options) == self.interrupt_at:
            raise KeyboardInterrupt
        self.options.append(options)
        file = io.BytesIO()
        levels = image if image.dtype == np.uint8 else (image * 255).round().astype(np.uint8)
        Image.fromarray(levels).save(file, "JPEG")
        return file.getvalue()

    def decode(self, data: bytes, *, device: str = "auto") -> NDArray[np.uint8]:
        assert device == "auto"
        return np.asarray(Image.open(io.BytesIO(data)))

    def info(self, data: bytes) -> SimpleNamespace:
        return SimpleNamespace(num_gaussians=len(data), covariance_k=3, color_k=4)
