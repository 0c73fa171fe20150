"""Which input goes to which output: folders, lists and shards, decided before any work is done."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from taichi_gs.errors import FileError
from taichi_gs.files import quoted

from .failures import Failure


@dataclass(frozen=True)
class Input:
    """A file or folder that was asked for.

    Attributes:
        path: where it is.
        place: where it goes below an output folder: the file, or what is in the folder.
    """

    path: str
    place: str


@dataclass(frozen=True, order=True)
class Item:
    """One piece of work: the file `source` becomes the file `target`."""

    target: str
    source: str


def argument(path: str) -> Input:
    """A path from the command line: a file goes into the output folder itself, and so does what a folder holds."""
    return Input(path, "" if os.path.isdir(path) else os.path.basename(path))


def list_entry(path: str) -> Input:
    """A path from a list, which may have many folders: it keeps all of them, but does not lead out of the output's."""
    normal = Path(os.path.normpath(path))
    return Input(path, os.path.join("", *(part for part in normal.parts if part not in (normal.anchor, os.pardir))))


def make_plan(
    inputs: Iterable[Input], *, output_dir: str | None, recursive: bool, suffixes: Collection[str], target_suffix: str
) -> list[Item]:
    """Return what is to be done, sorted, each output once.

    Args:
        inputs: files, which are taken whatever their names, and folders.
        output_dir: where outputs go; None puts each beside its input.
        recursive: whether folders are allowed.
        suffixes: of the files that are taken from folders, lower case.
        target_suffix: of the outputs.

    Raises:
        Failure: if an input is a folder and `recursive` is false, or two inputs would have the same output, or an
            output would leave `output_dir` through a symbolic link.
        FileError: if a folder cannot be read.
    """
    items = set()
    for each in inputs:
        if not os.path.isdir(each.path):
            items.add(_item(each, output_dir, target_suffix))
            continue
        if not recursive:
            raise Failure(f"cannot read {quoted(each.path)}: it is a folder, and -r takes what is in folders")
        for path in _walk(each.path, suffixes, output_dir):
            place = os.path.join(each.place, os.path.relpath(path, each.path))
            items.add(_item(Input(path, place), output_dir, target_suffix))
    plan = sorted(items)
    _check_collisions(plan)
    if output_dir is not None:
        _check_inside(plan, output_dir)
    return plan


def take_shard(plan: Sequence[Item], shard: tuple[int, int]) -> list[Item]:
    """Return part i of n, i from 1: the same for the same plan, and together all of it."""
    index, count = shard
    return list(plan[index - 1 :: count])


def _item(each: Input, output_dir: str | None, suffix: str) -> Item:
    path = Path(each.path if output_dir is None else os.path.join(output_dir, each.place))
    if not path.name:
        raise Failure(f"{quoted(each.path)} is no name of a file")
    return Item(str(path.with_suffix(suffix)), os.path.normpath(each.path))


def _walk(folder: str, suffixes: Collection[str], output_dir: str | None) -> Iterator[str]:
    """The files below a folder that have one of the suffixes, without those in the output folder if it is below."""
    outputs = None if output_dir is None else os.path.realpath(output_dir)
    for root, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if os.path.realpath(os.path.join(root, name)) != outputs]
        for name in names:
            if os.path.splitext(name)[1].lower() in suffixes:
                yield os.path.join(root, name)


def _refuse(error: OSError) -> NoReturn:
    raise FileError(f"cannot read the folder {quoted(error.filename)}: {error.strerror}") from error


def _check_collisions(plan: Iterable[Item]) -> None:
    """Names that differ in case or in the composition of accents are the same file on some systems."""
    sources: dict[str, str] = {}
    for item in plan:
        key = unicodedata.normalize("NFC", os.path.abspath(item.target)).casefold()
        other = sources.setdefault(key, item.source)
        if other != item.source:
            raise Failure(
                f"{quoted(other)} and {quoted(item.source)} would both become {quoted(item.target)}; "
                "rename one of them, or give them to separate runs with folders of their own"
            )


def _check_inside(plan: Iterable[Item], output_dir: str) -> None:
    root = os.path.realpath(output_dir)
    for item in plan:
        if os.path.commonpath([root, os.path.realpath(item.target)]) != root:
            raise Failure(f"{quoted(item.target)} is outside of {quoted(output_dir)}: a symbolic link leads there")
