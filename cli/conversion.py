"""What is done with one file, the same for one as for many: bytes in, bytes out, and facts for the report.

Conversions are small and can be pickled, so that worker processes can have them; they import what they need when they
are called.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from taichi_gs.files import read_bytes
from taichi_gs.pictures.suffixes import READ_SUFFIXES

from .failures import Failure, naming
from .streams import name_of

if TYPE_CHECKING:
    from taichi_gs.codec import Progress
    from taichi_gs.pictures.picture import Picture

    ShowProgress = Callable[[Progress], None] | None


@dataclass(frozen=True)
class Converted:
    """An output file and what there is to say of it.

    Attributes:
        data: its bytes.
        input_bytes: the size of the input.
        facts: entries of the report.
        shortfall: in one sentence, how it misses what was asked for.
    """

    data: bytes
    input_bytes: int
    facts: Mapping[str, Any]
    shortfall: str | None = None

    def record(self, source: str, target: str) -> dict[str, Any]:
        """Return what the report says of this file, from `source` and written to `target`."""
        sizes = {"input_bytes": self.input_bytes, "bytes": len(self.data)}
        record = {"input": source, "output": target, **sizes, **self.facts}
        return record if self.shortfall is None else {**record, "shortfall": self.shortfall}


class Conversion(Protocol):
    """A way to make one file from another."""

    @property
    def input_suffixes(self) -> frozenset[str]:
        """The suffixes of the files that are taken from folders."""

    @property
    def output_suffix(self) -> str:
        """The suffix of outputs that nobody named."""

    def check(self, data: bytes, name: str) -> None:
        """Refuse at once what cannot be converted, for a reason that comes before all others."""

    def __call__(self, data: bytes, name: str, progress: ShowProgress) -> Converted:
        """Convert the bytes of a file; `name` stands for it in messages."""


@dataclass(frozen=True)
class FileConversion:
    """A conversion of files by path, as worker processes do it."""

    conversion: Conversion

    def __call__(self, source: str, progress: ShowProgress) -> Converted:
        """Read and convert a file."""
        data = read_bytes(source)
        name = name_of(source)
        self.conversion.check(data, name)
        return self.conversion(data, name, progress)


@dataclass(frozen=True)
class Compression:
    """A picture becomes a .tgs file.

    Attributes:
        preset, device: as for `taichi_gs.encode`.
        options: further options of `taichi_gs.encode`; those that are None are left to the preset.
        first_frame, keep_metadata: as for `taichi_gs.pictures.read.picture_from_bytes`.
        measured: whether to decode the file for the report.
    """

    preset: str
    device: str
    options: Mapping[str, Any] = field(default_factory=dict)
    first_frame: bool = False
    keep_metadata: bool = False
    measured: bool = True

    input_suffixes: ClassVar[frozenset[str]] = READ_SUFFIXES
    output_suffix: ClassVar[str] = ".tgs"

    def check(self, data: bytes, name: str) -> None:
        """Refuse .tgs files."""
        from taichi_gs.format.bitstream import SIGNATURE

        if data.startswith(SIGNATURE):
            raise Failure(f"{name} is a .tgs file already; use tgs decompress to turn it into a picture")

    def __call__(self, data: bytes, name: str, progress: ShowProgress) -> Converted:
        """Encode a picture, and measure what came out."""
        from taichi_gs.codec import encode
        from taichi_gs.errors import QualityError
        from taichi_gs.pictures.convert import as_srgb
        from taichi_gs.pictures.read import picture_from_bytes

        picture = picture_from_bytes(data, name=name, first_frame=self.first_frame, keep_metadata=self.keep_metadata)
        chosen = {option: value for option, value in self.options.items() if value is not None}
        started = time.perf_counter()
        try:
            encoded = encode(picture, preset=self.preset, device=self.device, progress=progress, **chosen)
            shortfall = None
        except QualityError as error:
            encoded, shortfall = error.data, str(error)
        seconds = time.perf_counter() - started
        if not self.measured:
            return Converted(encoded, len(data), {}, shortfall)
        original = as_srgb(picture, name) if self.options.get("srgb") else picture
        facts = {"preset": self.preset, **_measure(encoded, original, self.device)}
        # Without --k the codebooks have sizes of their own; the larger stands for both.
        facts["k"] = self.options.get("k") or max(facts["covariance_k"], facts["color_k"])
        return Converted(encoded, len(data), {**facts, "seconds": round(seconds, 3)}, shortfall)


@dataclass(frozen=True)
class Decompression:
    """A .tgs file becomes a picture.

    Attributes:
        suffix: of the picture's format.
        device: as for `taichi_gs.decode`.
        options: further options of `taichi_gs.decode`; those that are None are left out.
    """

    suffix: str
    device: str
    options: Mapping[str, Any] = field(default_factory=dict)

    input_suffixes: ClassVar[frozenset[str]] = frozenset({".tgs"})

    @property
    def output_suffix(self) -> str:
        """The suffix of the picture's format."""
        return self.suffix

    def check(self, data: bytes, name: str) -> None:
        """Say of what is no .tgs file that it is none, whatever else is wrong."""
        from taichi_gs.codec import info

        with naming(name):
            info(data, limits=self.options.get("limits"))

    def __call__(self, data: bytes, name: str, progress: ShowProgress) -> Converted:
        """Decode a file."""
        from taichi_gs.codec import decode_picture, info
        from taichi_gs.pictures.write import image_to_bytes

        chosen = {option: value for option, value in self.options.items() if value is not None}
        started = time.perf_counter()
        with naming(name):
            picture = decode_picture(data, device=self.device, **chosen)
        content = image_to_bytes(picture, self.suffix)
        seconds = time.perf_counter() - started
        contents = info(data, limits=chosen.get("limits"))
        height, width = picture.pixels.shape[:2]
        facts = {"width": width, "height": height, "bits_per_pixel": contents.bits_per_pixel}
        return Converted(content, len(data), {**facts, "seconds": round(seconds, 3)})


def _measure(data: bytes, original: Picture, device: str) -> dict[str, Any]:
    """Decode a file: its size, its PSNR against the 8-bit picture, and what is in it."""
    from taichi_gs.codec import decode_picture, info
    from taichi_gs.format.limits import FORMAT_LIMITS
    from taichi_gs.pictures.metrics import bits_per_pixel, comparable_pixels, psnr

    contents = info(data, limits=FORMAT_LIMITS)
    quality = psnr(*comparable_pixels(original, decode_picture(data, device=device, limits=FORMAT_LIMITS)))
    return {
        "width": contents.width,
        "height": contents.height,
        "num_gaussians": contents.num_gaussians,
        "covariance_k": contents.covariance_k,
        "color_k": contents.color_k,
        "bits_per_pixel": bits_per_pixel(len(data), (contents.height, contents.width)),
        "psnr": quality if math.isfinite(quality) else None,
    }
