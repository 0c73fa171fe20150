"""taichi_gs: pictures as 2D Gaussians, fitted with Taichi and PyTorch, in files of a few kilobytes.

    data = taichi_gs.encode(image, k=64)    # an array or a picture file in, bytes of a .tgs file out
    image = taichi_gs.decode(data)          # and back, uint8
    taichi_gs.register_pillow()             # from here on Pillow and imageio read and write .tgs files

The names below are loaded when they are first used, so that importing the package, or decoding with it, does not import
what is not needed (PyTorch takes a second).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from taichi_gs.errors import (
    BitstreamError,
    DeviceError,
    FileError,
    ImageError,
    LimitError,
    OptionError,
    QualityError,
    TgsError,
)

if TYPE_CHECKING:
    from taichi_gs.codec import Progress, decode, decode_picture, encode, imread, imwrite, info
    from taichi_gs.encoder.presets import PRESETS, EncoderConfig
    from taichi_gs.format.limits import Limits
    from taichi_gs.integrations.pillow import register_pillow
    from taichi_gs.model.gaussians import Gaussians
    from taichi_gs.model.quantized import QuantizedGaussians
    from taichi_gs.pictures.picture import Picture

__version__ = "0.1.0"

__all__ = [
    "PRESETS",
    "BitstreamError",
    "DeviceError",
    "EncoderConfig",
    "FileError",
    "FileInfo",
    "Gaussians",
    "ImageError",
    "LimitError",
    "Limits",
    "OptionError",
    "Picture",
    "Progress",
    "QualityError",
    "QuantizedGaussians",
    "TgsError",
    "decode",
    "decode_picture",
    "encode",
    "imread",
    "imwrite",
    "info",
    "register_pillow",
]

_MODULE_OF = {
    "PRESETS": "encoder.presets",
    "EncoderConfig": "encoder.presets",
    "FileInfo": "decoder.decode",
    "Gaussians": "model.gaussians",
    "Limits": "format.limits",
    "Picture": "pictures.picture",
    "Progress": "codec",
    "QuantizedGaussians": "model.quantized",
    "decode": "codec",
    "decode_picture": "codec",
    "encode": "codec",
    "imread": "codec",
    "imwrite": "codec",
    "info": "codec",
    "register_pillow": "integrations.pillow",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
