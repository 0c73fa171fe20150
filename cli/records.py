"""The file of --report: one JSON object a line, written as the work goes on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

from taichi_gs.files import check_target, open_text, quoted

from .console import reason_of
from .failures import Failure

Record = Mapping[str, Any]
"""What is said of a file: input, output and facts, or input and error; `shortfall` if not as good as asked for."""


class RecordFile:
    """A file of records, or None to keep none.

    Attributes:
        trouble: in one sentence, why the records are not all in the file; the work goes on without them.
        is_complete: whether all that there is to say has been written.
    """

    def __init__(self, file: IO[str] | None, path: str = "") -> None:
        self.trouble: str | None = None
        self.is_complete = False
        self._file = file
        self._path = path

    def write(self, record: Record) -> None:
        """Write one object; at once, in case of a crash."""
        if self._file is not None and self.trouble is None:
            with self._noting_trouble():
                self._file.write(json.dumps(record, allow_nan=False) + "\n")
                self._file.flush()

    def finish(self, temporary: str | None) -> None:
        """Close the file; if it is a temporary one that got all records, it takes the place of the old report."""
        if self._file is not None:
            with self._noting_trouble():
                self._file.close()
        if temporary is not None and self.is_complete and self.trouble is None:
            with self._noting_trouble():
                os.replace(temporary, os.path.realpath(self._path))

    @contextmanager
    def _noting_trouble(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.trouble = self.trouble or f"cannot write the report {quoted(self._path)}: {reason_of(error)}"


@contextmanager
def open_report(path: str | None, *, append: bool, overwrite: bool) -> Iterator[RecordFile]:
    """Open a file for records, which goes on with `append` and is not written over without `overwrite`.

    A report that is written over stays as it is until the block ends; then the new one takes its place, if it is
    complete. A new file that got no record is removed.

    Raises:
        FileError: if it cannot be opened, or exists and neither is true.
    """
    if path is None:
        yield RecordFile(None)
        return
    temporary = None
    if overwrite and os.path.isfile(path):
        check_target(path, overwrite=True)
        temporary = os.path.join(os.path.dirname(os.path.realpath(path)), f".tgs-{os.urandom(8).hex()}.tmp")
    is_new = not os.path.lexists(path)
    records = RecordFile(open_text(temporary or path, "x" if temporary or not (append or overwrite) else "a"), path)
    try:
        if temporary is not None:
            with contextlib.suppress(OSError):
                shutil.copymode(path, temporary)
        yield records
    finally:
        records.finish(temporary)
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if is_new and not records.is_complete:
            with contextlib.suppress(OSError):
                if os.path.getsize(path) == 0:
                    os.unlink(path)


def check_report(path: str | None, files: Sequence[str]) -> None:
    """Refuse a report that is a folder, or one of the inputs and outputs; raises Failure."""
    if path is None:
        return
    if os.path.isdir(path):
        raise Failure(f"cannot write the report {quoted(path)}: it is a directory")
    place = os.path.realpath(path)
    if any(os.path.realpath(file) == place for file in files) or (
        os.path.isfile(path) and any(os.path.exists(file) and os.path.samefile(file, path) for file in files)
    ):
        raise Failure(f"the report {quoted(path)} is an input or an output itself; choose another name")
