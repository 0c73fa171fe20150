"""Bytes in and out of files: errors in one sentence, and outputs that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Literal, TextIO, Union

from taichi_gs.errors import FileError

Path = Union[str, "os.PathLike[str]"]

MAX_FILE_BYTES = 1 << 30
"""The most that `read_bytes` takes into memory by default: more than any picture within the pixel limit needs."""

# What os.link says on file systems that have no hard links.
_NO_HARD_LINKS = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV, errno.EINVAL}


def quoted(path: Path) -> str:
    """Show a path inside a sentence: in quotes, with control characters and undecodable bytes escaped."""
    return repr(os.fspath(path))


def read_bytes(path: Path, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """Read a whole file.

    Raises:
        FileError: if it cannot be read or is larger than `max_bytes`.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        raise FileError(f"cannot read {quoted(path)}: {_reason(error)}") from error
    if len(data) > max_bytes:
        raise FileError(f"cannot read {quoted(path)}: it is larger than the limit of {max_bytes:,} bytes")
    return data


def open_text(path: Path, mode: Literal["a", "w", "x"]) -> TextIO:
    """Open a UTF-8 file to append to, to write over, or to create where there is none.

    Raises:
        FileError: if that is not possible.
    """
    try:
        return open(path, mode, encoding="utf-8", newline="\n")
    except (OSError, ValueError) as error:
        raise FileError(f"cannot write {quoted(path)}: {_reason(error)}") from error


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where there is none; the empty path is the current folder.

    Raises:
        FileError: if that is not possible.
    """
    try:
        os.makedirs(path or os.curdir, exist_ok=True)
    except (OSError, ValueError) as error:
        raise FileError(f"cannot make the folder {quoted(path)}: {_reason(error)}") from error


def check_target(path: Path, *, overwrite: bool) -> None:
    """Check, before any work is done for it, that `write_atomic` could write `path`.

    Raises:
        FileError: if it exists and `overwrite` is false, if it is no regular file, or if its folder is missing or
            cannot be written to.
    """
    try:
        folder = os.path.dirname(os.path.realpath(path))  # of what a link leads to
        if not os.path.isdir(folder):
            raise FileError(f"cannot write {quoted(path)}: there is no folder {quoted(folder)}")
        with contextlib.suppress(FileNotFoundError):
            os.lstat(path)
            if os.path.isdir(path):
                raise FileError(f"cannot write {quoted(path)}: it is a directory")
            # Replacing a device such as /dev/null by a file would break the whole machine.
            if os.path.exists(path) and not os.path.isfile(path):
                raise FileError(f"cannot write {quoted(path)}: it is not a regular file")
            if not overwrite:
                raise FileError(f"cannot write {quoted(path)}: it already exists")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise FileError(f"cannot write {quoted(path)}: its folder is not writable")
    except (OSError, ValueError) as error:
        raise FileError(f"cannot write {quoted(path)}: {_reason(error)}") from error


def write_atomic(path: Path, data: bytes, *, overwrite: bool) -> None:
    """Write a file so that at every moment `path` is either as it was or holds all of `data`.

    The bytes go to a temporary file `.tgs-*.tmp` in the same folder, are flushed to the disk, and only then take the
    name, which is flushed too. Nothing is left behind when that fails or is interrupted; a process that is killed may
    leave the temporary file. Without `overwrite`, a file that appears under the name in the meantime is not lost; where
    there are no hard links, a new file may be there, empty, for an instant before it is whole. A symbolic link is
    followed, and a file that is replaced leaves its permissions to the new one.

    Raises:
        FileError: if the file cannot be written, or exists and `overwrite` is false.
    """
    check_target(path, overwrite=overwrite)
    target = os.path.realpath(path)
    temporary = os.path.join(os.path.dirname(target), f".tgs-{os.urandom(8).hex()}.tmp")
    try:
        # Not tempfile: its files are private to the user, and an output has the permissions of any new file.
        with open(temporary, "xb") as file:
            _keep_permissions(target, temporary)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            os.replace(temporary, target)
        else:
            _publish_new(temporary, target)
        _flush_names(os.path.dirname(target))
    except FileExistsError as error:
        raise FileError(f"cannot write {quoted(path)}: it already exists") from error
    except OSError as error:
        raise FileError(f"cannot write {quoted(path)}: {_reason(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _keep_permissions(old: str, new: str) -> None:
    """Give a new file the permissions of an old one, if there is one, before anything is in it to be read."""
    with contextlib.suppress(FileNotFoundError):
        permissions = stat.S_IMODE(os.stat(old).st_mode) & 0o777
        if permissions != stat.S_IMODE(os.stat(new).st_mode):
            os.chmod(new, permissions)


def _flush_names(folder: str) -> None:
    """Make the names in a folder survive a loss of power, where the system lets folders be flushed: Windows does not.

    Failing is no error. The file is in place by now, and nobody should be told that it was not written.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _publish_new(temporary: str, target: str) -> None:
    """Give the name `target` to a temporary file; FileExistsError if it is taken. A hard link does this in one step."""
    try:
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        _reserve_and_replace(temporary, target)


def _reserve_and_replace(temporary: str, target: str) -> None:
    """Take the name with an empty file of our own, which nobody else can have made, then replace that."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    try:
        os.replace(temporary, target)
    except BaseException:
        os.unlink(target)
        raise


def _reason(error: OSError | ValueError) -> str:
    """The end of a sentence: what the system says, without the number and the name."""
    message = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return message[0].lower() + message[1:]
