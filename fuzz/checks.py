"""What must hold of a decoder, whatever it is given: `examine` decodes one file and says what did not."""

from __future__ import annotations

import io
import logging
import re
import sys
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

import taichi_gs
from benchmarks.measuring import forget_peak, peak_mebibytes, process_status
from taichi_gs.decoder.decode import TgsFile
from taichi_gs.pictures.write import image_to_bytes

GIBIBYTES_LEFT = 4
"""What a process may allocate beyond what it has at the start. More is a MemoryError and not the end of the machine."""

MAX_SECONDS = 2.0
MAX_MEBIBYTES = 512.0

CAN_MEASURE_MEMORY = sys.platform == "linux"
"""Only Linux forgets the most memory that a process had, when it is told to."""

DECODED = "decoded"


LOSSLESS = (".png", ".tiff")
"""Formats that keep metadata, and all pixels."""

MOST_WRITTEN = 1 << 18
"""Samples of a picture that is written, which takes longer than to decode it."""

_CHANNELS = {"L": (), "LA": (2,), "RGB": (3,), "RGBA": (4,)}

Decode = Callable[[bytes], NDArray[np.uint8]]


def decode_with_grain(data: bytes) -> NDArray[np.uint8]:
    """Decode a file as it takes the most: grain is drawn too, if a file has any."""
    return taichi_gs.decode(data, grain=True)


class Outcome(NamedTuple):
    """How it went with one file.

    Attributes:
        name: "decoded", or the class of what was raised.
        sentence: what it said, with numbers as N and tags as TAG.
        seconds: processor time of decoding, which other programs hardly change.
        mebibytes: the most memory that decoding had, above what the process had before; 0 where unknown.
        fault: what is wrong but for time and memory, or nothing.
    """

    name: str
    sentence: str
    seconds: float
    mebibytes: float
    fault: str

    def findings(self, max_seconds: float = MAX_SECONDS, max_mebibytes: float = MAX_MEBIBYTES) -> list[str]:
        """Return what is wrong, time and memory included."""
        found = [self.fault] if self.fault else []
        if self.seconds > max_seconds:
            found.append(f"slow: {self.seconds:.1f} s")
        if self.mebibytes > max_mebibytes:
            found.append(f"memory: {self.mebibytes:.0f} MiB")
        return found


def examine(data: bytes, decode: Decode = decode_with_grain, *, again: bool = False) -> Outcome:
    """Decode a file and check what comes of it.

    Args:
        data: the file.
        decode: the decoder.
        again: whether to decode a second time what can be decoded, and compare.
    """
    before = forget_peak()
    started = time.process_time()
    try:
        with warnings.catch_warnings():
            # NumPy about overflow and the like: whoever turns warnings into errors would see them.
            warnings.simplefilter("error", RuntimeWarning)
            pixels = decode(data)
    except taichi_gs.TgsError as error:
        seconds, pixels = time.process_time() - started, None
        name, sentence, fault = type(error).__name__, template(str(error)), ""
    except BaseException as error:  # panics of native code are no Exceptions
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        seconds, pixels = time.process_time() - started, None
        name, sentence = type(error).__name__, template(str(error))
        fault = f"escaped: {name}: {sentence}"
    else:
        seconds, name, sentence, fault = time.process_time() - started, DECODED, "", ""
    most = peak_mebibytes()
    mebibytes = 0.0 if before is None or most is None else max(0.0, most - before)
    if pixels is not None:
        fault = _fault_of(data, pixels)
        if not fault and again and decode(data).tobytes() != pixels.tobytes():
            fault = "unstable: decoded twice, other pixels"
        fault = fault or _fault_of_writing(data, pixels)
    return Outcome(name, sentence, seconds, mebibytes, fault)


def _fault_of_writing(data: bytes, pixels: NDArray[np.uint8]) -> str:
    """Write a picture with its metadata, if it has any, to formats that keep them, and read it again."""
    metadata = TgsFile(data).metadata
    if not any(metadata.values()) or pixels.size > MOST_WRITTEN:
        return ""
    for suffix in LOSSLESS:
        try:
            with Image.open(io.BytesIO(image_to_bytes(taichi_gs.Picture(pixels, **metadata), suffix))) as image:
                same = np.array_equal(np.asarray(ImageOps.exif_transpose(image)), pixels)
        except taichi_gs.TgsError as error:
            return f"unwritten: {suffix}: {template(str(error))}"
        except Exception as error:
            return f"escaped while writing {suffix}: {type(error).__name__}: {template(str(error))}"
        if not same:
            return f"wrong: other pixels in a {suffix} file with metadata"
    return ""


def prepare_process() -> None:
    """Bound what this process may allocate from now on, where that is possible, and let it say nothing of metadata."""
    logging.getLogger("taichi_gs").setLevel(logging.ERROR)
    used = process_status("VmData")
    if used is None:
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, ((used << 10) + (GIBIBYTES_LEFT << 30), hard))


def template(sentence: str) -> str:
    """Return what a sentence has in common with those of its kind."""
    return re.sub(r"0x[0-9a-f]+|\d+", "N", re.sub(r"b'[^']*'|b\"[^\"]*\"", "TAG", sentence)).replace("\n", " ")[:160]


def _fault_of(data: bytes, pixels: NDArray[np.uint8]) -> str:
    """Compare a decoded picture with what its file says of itself."""
    try:
        info = taichi_gs.info(data)
    except taichi_gs.TgsError as error:
        return f"wrong: decoded, though its header is refused: {template(str(error))}"
    expected = (info.height, info.width, *_CHANNELS[info.mode])
    if pixels.shape != expected or pixels.dtype != np.uint8:
        return f"wrong: {pixels.dtype} {pixels.shape} for {expected}"
    return ""
