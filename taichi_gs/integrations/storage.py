"""Files by URL, wherever fsspec reaches: read and published whole, and tried again after failures."""

from __future__ import annotations

import contextlib
import logging
import os
import posixpath
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from taichi_gs import files
from taichi_gs.errors import FileError

_WRITTEN_WHOLE = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "memory"}
"""Protocols whose files appear when all of their bytes are there, and cannot be renamed but by copying them."""

# Trying again does not help against these.
_LASTING = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError, ImportError)

_Result = TypeVar("_Result")
_logger = logging.getLogger(__name__)


class Storage:
    """Reads and writes files by URL or path.

    Args:
        tries: how often something is tried, 1 or more.
        wait: seconds before the second try; twice as long before each further one.
        options: of the filesystems, for instance credentials; see fsspec.
    """

    def __init__(self, tries: int = 4, wait: float = 1.0, options: Mapping[str, Any] | None = None) -> None:
        self.tries, self.wait, self.options = tries, wait, dict(options or {})

    def read(self, url: str) -> bytes:
        """Return the bytes of a file; raises what its filesystem does, OSError as a rule."""

        def read() -> bytes:
            filesystem, path = self._locate(url)
            data: bytes = filesystem.cat_file(path)
            return data

        return self._attempt(read, f"reading {url}")

    def size(self, url: str) -> int | None:
        """Return the size of a file in bytes, or None if there is none."""

        def size() -> int | None:
            filesystem, path = self._locate(url)
            try:
                return int(filesystem.size(path))
            except FileNotFoundError:
                return None

        return self._attempt(size, f"looking for {url}")

    def publish(self, url: str, data: bytes) -> None:
        """Write a file, and the folders it is in, so that nobody ever finds part of it under its name.

        Where files can be renamed it has another name first, in the same folder.
        """

        def publish() -> None:
            filesystem, path = self._locate(url)
            protocols = filesystem.protocol
            if not _WRITTEN_WHOLE.isdisjoint([protocols] if isinstance(protocols, str) else protocols):
                filesystem.pipe_file(path, data)
                return
            filesystem.makedirs(posixpath.dirname(path), exist_ok=True)
            if isinstance(filesystem, LocalFileSystem):
                files.write_atomic(path, data, overwrite=True)
            else:
                _write_and_rename(filesystem, path, data)

        self._attempt(publish, f"writing {url}")

    def _locate(self, url: str) -> tuple[Any, str]:
        """The filesystem of a file, and its path there."""
        filesystem, path = fsspec.core.url_to_fs(url, **self.options)
        return filesystem, path

    def _attempt(self, action: Callable[[], _Result], name: str) -> _Result:
        for number in range(1, self.tries):
            try:
                return action()
            # Each filesystem has errors of its own for a network that is gone for a moment.
            except Exception as error:
                if _is_lasting(error):
                    raise
                _logger.warning("%s failed, try %d of %d (%s)", name, number, self.tries, error)
                time.sleep(self.wait * 2 ** (number - 1))
        return action()


def _is_lasting(error: Exception) -> bool:
    if isinstance(error, FileError):  # has the system's own error as its cause, or was raised before anything was tried
        return error.__cause__ is None or isinstance(error.__cause__, _LASTING)
    return isinstance(error, _LASTING)


def _write_and_rename(filesystem: Any, path: str, data: bytes) -> None:
    temporary = posixpath.join(posixpath.dirname(path), f".tgs-{os.urandom(8).hex()}.tmp")
    try:
        filesystem.pipe_file(temporary, data)
        filesystem.mv(temporary, path)
    except BaseException:
        with contextlib.suppress(Exception):
            filesystem.rm_file(temporary)
        raise
