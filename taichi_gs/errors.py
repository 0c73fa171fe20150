"""The errors that taichi_gs raises on purpose.

    TgsError
    ├── FileError        a file that cannot be read or written, whatever is in it
    ├── ImageError       a picture that cannot be decoded or encoded
    ├── BitstreamError   bytes that are not a whole, undamaged .tgs file
    │   └── LimitError   a file that asks for more than the limits allow
    ├── OptionError      an option, or a combination of options, that makes no sense
    ├── DeviceError      a device that was asked for and is not there
    └── QualityError     a quality that was asked for and cannot be reached; it has the best file

Every message is one sentence that a person can act on. Nothing else is meant to escape the public functions on bad
input.
"""


class TgsError(Exception):
    """Base class of every error that taichi_gs raises on purpose."""


class FileError(TgsError):
    """A file cannot be read or written, whatever is in it."""


class ImageError(TgsError):
    """A picture cannot be decoded or encoded."""


class BitstreamError(TgsError):
    """Bytes are not a whole, undamaged .tgs file."""


class LimitError(BitstreamError):
    """A .tgs file asks for more pixels, Gaussians or work than the limits allow."""


class OptionError(TgsError, ValueError):
    """An option, or a combination of options, makes no sense."""


class DeviceError(TgsError):
    """A device was asked for and is not available."""


class QualityError(TgsError):
    """A quality was asked for that cannot be reached.

    Attributes:
        data: the bytes of the best .tgs file that could be made.
    """

    def __init__(self, message: str, data: bytes) -> None:
        super().__init__(message, data)  # both, so that it can be pickled
        self.data = data

    def __str__(self) -> str:
        return str(self.args[0])
