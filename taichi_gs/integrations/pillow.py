"""`.tgs` files in Pillow, and through it in imageio.

taichi_gs.register_pillow()
PIL.Image.open("photo.jpg").save("photo.tgs", preset="fast", bits_per_pixel=0.2)
PIL.Image.open("photo.tgs").show()
"""

from __future__ import annotations

from dataclasses import replace
from typing import IO, Any

from PIL import Image, ImageFile

from taichi_gs import codec, files
from taichi_gs.decoder.decode import TgsFile
from taichi_gs.errors import BitstreamError, OptionError, TgsError
from taichi_gs.format.bitstream import SIGNATURE
from taichi_gs.format.limits import FORMAT_LIMITS, Limits
from taichi_gs.pictures.exif import EXIF_PREFIX
from taichi_gs.pictures.picture import pillow_info
from taichi_gs.pictures.read import picture_from_pillow

FORMAT, SUFFIX = "TGS", ".tgs"

_LIMITS = replace(Limits(), max_pixels=FORMAT_LIMITS.max_pixels)
"""Image.open has a limit of its own for pixels, which a program may have raised."""


def register_pillow() -> None:
    """Make `PIL.Image.open` and `save`, and imageio's `imread` and `imwrite`, handle .tgs files.

    Opening reads the header alone; pixels are decoded when they are first needed. What follows the name in `save`, and
    the picture in `imwrite`, are options of `taichi_gs.encode`. Orientation is baked in and the ICC profile kept; EXIF
    and XMP are kept with `keep_metadata=True`, or as they are given in `exif` and `xmp`.
    """
    from imageio.config import FileExtension, extension_list, known_extensions

    Image.register_open(FORMAT, TgsImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, SUFFIX)
    if SUFFIX not in known_extensions:
        extension = FileExtension(name="taichi_gs", extension=SUFFIX, priority=["pillow"])
        known_extensions[SUFFIX] = [extension]
        extension_list.append(extension)


class TgsImageFile(ImageFile.ImageFile):
    """A .tgs file in Pillow: size, mode and metadata at once, pixels later."""

    format = FORMAT
    format_description = "2D Gaussians"

    def _open(self) -> None:
        assert self.fp is not None
        data = self.fp.read(files.MAX_FILE_BYTES + 1)
        if not _accept(data[: len(SIGNATURE)]):
            raise SyntaxError("not a .tgs file")
        try:
            self._tgs: TgsFile | None = TgsFile(data, _LIMITS)
        except BitstreamError as error:
            raise OSError(str(error)) from error
        header = self._tgs.header
        self._size, self._mode = header.image_size[::-1], header.mode
        self.tile = []  # nothing for Pillow to decode
        self.info.update(pillow_info(**self._tgs.metadata))

    def load(self) -> Any:
        """Decode the pixels, once."""
        if self._tgs is not None:
            try:
                pixels = self._tgs.draw()
            except TgsError as error:
                raise OSError(str(error)) from error
            self._tgs = None
            self.im = Image.fromarray(pixels).im
            if self.fp is not None and self._exclusive_fp:
                self.fp.close()
            self.fp = None
        return super().load()


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(SIGNATURE)


def _save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    options = dict(image.encoderinfo)
    keep_metadata = bool(options.pop("keep_metadata", False))
    # What Pillow's other formats take beside the picture's own.
    given = {name: options.pop(name) for name in ("icc_profile", "exif", "xmp") if name in options}
    if given.get("exif"):
        given["exif"] = _block_of(given["exif"])
    codec.check_options(options, keep_metadata=keep_metadata)
    taken = {"max_pixels": options["max_pixels"]} if "max_pixels" in options else {}
    picture = picture_from_pillow(image, keep_metadata=keep_metadata, **taken)
    file.write(codec.encode(replace(picture, **given), **options))


def _block_of(exif: Any) -> bytes:
    """The Exif block, without its prefix, that the option `exif` stands for."""
    try:
        block = exif.tobytes() if isinstance(exif, Image.Exif) else exif
    except Exception as error:  # of a tag that is not of its type Pillow raises one thing or another
        raise OptionError(f"the option exif is no Exif block that can be written ({error})") from error
    if not isinstance(block, bytes):
        raise OptionError(f"the option exif is no Exif block but {type(block).__name__}")
    return block.removeprefix(EXIF_PREFIX)
