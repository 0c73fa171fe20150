"""What is done with one file, the same for one as for many: bytes in, bytes out, and facts for the report.

Conversions are small and can be pickled, so that worker processes can have them; they import what they need when they
are called.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Optional, Protocol

from taichi_gs.encoder.choices import Device, Preset
from taichi_gs.files import read_bytes
from taichi_gs.pictures.suffixes import MAX_PIXELS, READ_SUFFIXES

from .failures import Failure, naming, sentence_of
from .streams import name_of

if TYPE_CHECKING:
    from taichi_gs.codec import Progress
    from taichi_gs.decoder.decode import TgsFile
    from taichi_gs.pictures.picture import Picture

ShowProgress = Optional["Callable[[Progress], None]"]
"""Is told how far a conversion is, if anybody wants to know."""


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


Opened = Callable[[ShowProgress], Converted]
"""The rest of a conversion whose input was looked at."""


class Conversion(Protocol):
    """A way to make one file from another."""

    @property
    def input_suffixes(self) -> frozenset[str]:
        """The suffixes of the files that are taken from folders."""

    @property
    def output_suffix(self) -> str:
        """The suffix of outputs that nobody named."""

    def open(self, data: bytes, name: str) -> Opened:
        """Refuse at once what cannot be converted; `name` stands for the file in messages."""

    def forecast(self, data: bytes) -> str | None:
        """Return what is to be known before a conversion that takes long."""


@dataclass(frozen=True)
class FileConversion:
    """A conversion of files by path, as worker processes do it."""

    conversion: Conversion

    def __call__(self, source: str, progress: ShowProgress) -> Converted:
        """Read and convert a file."""
        return self.conversion.open(read_bytes(source), name_of(source))(progress)


@dataclass(frozen=True)
class Compression:
    """A picture becomes a .tgs file.

    Attributes:
        preset, device: as for `taichi_gs.encode`.
        options: further options of `taichi_gs.encode`; those that are None are left to the preset.
        first_frame, keep_metadata: as for `taichi_gs.pictures.read.picture_from_bytes`.
        measured: whether to decode the file for the report.
    """

    preset: Preset
    device: Device
    options: Mapping[str, Any] = field(default_factory=dict)
    first_frame: bool = False
    keep_metadata: bool = False
    measured: bool = True

    input_suffixes: ClassVar[frozenset[str]] = READ_SUFFIXES
    output_suffix: ClassVar[str] = ".tgs"

    def open(self, data: bytes, name: str) -> Opened:
        """Refuse .tgs files."""
        from taichi_gs.format.bitstream import SIGNATURE

        if data.startswith(SIGNATURE):
            raise Failure(f"{name} is a .tgs file already; use tgs decompress to turn it into a picture")
        return functools.partial(self._encode, data, name)

    def forecast(self, data: bytes) -> str | None:
        """Return how long a large picture is expected to take."""
        from .forecast import forecast

        return forecast(data, self.preset, self.options, self.device)

    def _encode(self, data: bytes, name: str, progress: ShowProgress) -> Converted:
        """Encode a picture, and measure what came out."""
        from taichi_gs.codec import encode
        from taichi_gs.errors import OptionError, QualityError
        from taichi_gs.pictures.convert import as_asked
        from taichi_gs.pictures.read import picture_from_bytes

        max_pixels = self.options.get("max_pixels") or MAX_PIXELS
        picture = picture_from_bytes(
            data,
            name=name,
            first_frame=self.first_frame,
            keep_metadata=self.keep_metadata,
            max_pixels=max_pixels,
        )
        chosen = {option: value for option, value in self.options.items() if value is not None}
        started = time.perf_counter()
        try:
            encoded = encode(picture, preset=self.preset, device=self.device, progress=progress, **chosen)
            shortfall = None
        except QualityError as error:
            encoded, shortfall = error.data, str(error)
        except OptionError as error:  # which makes sense, but not for this picture
            raise Failure(f"{name}: {sentence_of(error)}") from error
        seconds = time.perf_counter() - started
        if not self.measured:
            return Converted(encoded, len(data), {}, shortfall)
        srgb, preview = (bool(self.options.get(option)) for option in ("srgb", "preview"))
        original = as_asked(picture, srgb=srgb, preview=preview, name=name)
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
    device: Device
    options: Mapping[str, Any] = field(default_factory=dict)

    input_suffixes: ClassVar[frozenset[str]] = frozenset({".tgs"})

    @property
    def output_suffix(self) -> str:
        """The suffix of the picture's format."""
        return self.suffix

    def open(self, data: bytes, name: str) -> Opened:
        """Say of what is no .tgs file that it is none, whatever else is wrong."""
        from taichi_gs.decoder.decode import TgsFile

        with naming(name):
            file = TgsFile(data, self.options.get("limits"))
        return functools.partial(self._decode, file, name)

    def forecast(self, data: bytes) -> str | None:
        """Return nothing: the limits of a decoder bound its time."""
        return None

    def _decode(self, file: TgsFile, name: str, progress: ShowProgress) -> Converted:
        """Decode a file."""
        from taichi_gs.errors import OptionError
        from taichi_gs.pictures.picture import Picture
        from taichi_gs.pictures.write import image_to_bytes

        chosen = {option: value for option, value in self.options.items() if value is not None and option != "limits"}
        started = time.perf_counter()
        try:
            with naming(name):
                picture = Picture(file.draw(device=self.device, **chosen), **file.metadata)
        except OptionError as error:  # of a region, for instance, that is not in this picture
            raise Failure(f"{name}: {sentence_of(error)}") from error
        content = image_to_bytes(picture, self.suffix)
        seconds = time.perf_counter() - started
        height, width = picture.pixels.shape[:2]
        facts = {"width": width, "height": height, "seconds": round(seconds, 3)}
        return Converted(content, file.info.bytes, facts)


def _measure(data: bytes, original: Picture, device: Device) -> dict[str, Any]:
    """Decode a file: its size, its PSNR against the 8-bit picture, and what is in it."""
    from taichi_gs.decoder.decode import TgsFile
    from taichi_gs.format.limits import FORMAT_LIMITS
    from taichi_gs.pictures.metrics import comparable_pixels, psnr
    from taichi_gs.pictures.picture import Picture

    file = TgsFile(data, FORMAT_LIMITS)
    quality = psnr(*comparable_pixels(original, Picture(file.draw(device=device))))
    return {
        "width": file.info.width,
        "height": file.info.height,
        "num_gaussians": file.info.num_gaussians,
        "covariance_k": file.info.covariance_k,
        "color_k": file.info.color_k,
        "bits_per_pixel": file.info.bits_per_pixel,
        "psnr": quality if math.isfinite(quality) else None,
    }
