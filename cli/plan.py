"""Which input goes to which output: folders, lists and shards, decided before any work is done."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from taichi_gs.files import quoted
from taichi_gs.pictures.suffixes import READ_SUFFIXES

from .console import reason_of
from .failures import Failure

TGS_SUFFIX = ".tgs"


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


@dataclass
class Plan:
    """What is to be done, and what was found on the way.

    Attributes:
        items: sorted, each output once.
        unreadable: folders that could not be read, and why, in one sentence.
        num_others: the files in folders that are neither pictures nor .tgs files by their suffixes.
    """

    items: list[Item] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    num_others: int = 0


@dataclass(frozen=True)
class Names:
    """How outputs are called.

    Attributes:
        suffix: of the outputs.
        output_dir: where they go; None puts each beside its input.
        keep: whether the suffix of the input stays before that of the output.
    """

    suffix: str
    output_dir: str | None = None
    keep: bool = False

    def target(self, path: str) -> str:
        """The output for the input `path`, which is where the output goes; raises Failure for no name of a file."""
        whole = Path(path)
        if not whole.name:
            raise Failure(f"cannot read {quoted(path)}: it is no name of a file")
        return str(whole.with_name(whole.name + self.suffix) if self.keep else whole.with_suffix(self.suffix))

    def item(self, each: Input) -> Item:
        """The work that is to be done for an input."""
        path = each.path if self.output_dir is None else os.path.join(self.output_dir, each.place)
        # Not normpath, which drops "link/..": behind a symbolic link, that is another place.
        return Item(self.target(path), str(Path(each.path)))


def argument(path: str) -> Input:
    """A path from the command line: a file goes into the output folder itself, and so does what a folder holds."""
    return Input(path, "" if os.path.isdir(path) else os.path.basename(path))


def list_entry(path: str) -> Input:
    """A path from a list, which may have many folders: it keeps all of them, but does not lead out of the output's."""
    normal = Path(os.path.normpath(path))
    return Input(path, os.path.join("", *(part for part in normal.parts if part not in (normal.anchor, os.pardir))))


def make_plan(inputs: Iterable[Input], names: Names, *, recursive: bool, suffixes: Collection[str]) -> Plan:
    """Return what is to be done.

    Args:
        inputs: files, which are taken whatever their names, and folders.
        names: how outputs are called.
        recursive: whether folders are allowed.
        suffixes: of the files that are taken from folders, lower case.

    Raises:
        Failure: if an input is a folder and `recursive` is false, or two inputs would have the same output, or an
            output would leave the output folder through a symbolic link.
    """
    plan = Plan()
    items = set()
    for each in inputs:
        if not os.path.isdir(each.path):
            items.add(names.item(each))
            continue
        if not recursive:
            raise Failure(f"cannot read {quoted(each.path)}: it is a folder, and -r takes what is in folders")
        for path in _walk(each.path, suffixes, names.output_dir, plan):
            place = os.path.join(each.place, os.path.relpath(path, each.path))
            items.add(names.item(Input(path, place)))
    plan.items = sorted(items)
    _check_collisions(plan.items, names)
    if names.output_dir is not None:
        _check_inside(plan.items, names.output_dir)
    return plan


def take_shard(plan: Sequence[Item], shard: tuple[int, int]) -> list[Item]:
    """Return part i of n, i from 1: the same for the same plan, and together all of it."""
    index, count = shard
    return list(plan[index - 1 :: count])


def _walk(folder: str, suffixes: Collection[str], output_dir: str | None, plan: Plan) -> Iterator[str]:
    """The files below a folder that have one of the suffixes, without those in the output folder if it is below.

    Files of other types are counted, and folders that cannot be read are noted. Names that begin with `._` are notes
    of macOS on the files themselves. What is there and is no file is left alone: reading a pipe would never end.
    """

    def note(error: OSError) -> None:
        name = os.fsdecode(error.filename)
        plan.unreadable[name] = f"cannot read the folder {quoted(name)}: {reason_of(error)}"

    outputs = None if output_dir is None else os.path.realpath(output_dir)
    for root, folders, names in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if os.path.realpath(os.path.join(root, name)) != outputs]
        for name in names:
            path, suffix = os.path.join(root, name), os.path.splitext(name)[1].lower()
            if suffix in suffixes and not name.startswith("._"):
                if os.path.isfile(path) or not os.path.exists(path):
                    yield path
            elif not name.startswith(".") and suffix not in READ_SUFFIXES and suffix != TGS_SUFFIX:
                plan.num_others += 1


def _check_collisions(items: Iterable[Item], names: Names) -> None:
    """Names that differ in case or in the composition of accents are the same file on some systems."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        key = unicodedata.normalize("NFC", os.path.abspath(item.target)).casefold()
        groups.setdefault(key, []).append(item)
    collisions = []
    for group in groups.values():
        *most, last = sorted({item.source for item in group})
        if most:
            both = "both" if len(most) == 1 else "all"
            sources = f"{', '.join(map(quoted, most))} and {quoted(last)}"
            collisions.append(f"{sources} would {both} become {quoted(group[0].target)}")
    if not collisions:
        return
    kept = "use --keep-suffix, " if names.suffix == TGS_SUFFIX and not names.keep else ""
    advice = f"{kept}rename files, or give them to separate runs with folders of their own"
    if len(collisions) == 1:
        raise Failure(f"{collisions[0]}; {advice}")
    raise Failure("\n  ".join([f"{len(collisions)} outputs would have several inputs; {advice}:", *collisions]))


def _check_inside(plan: Iterable[Item], output_dir: str) -> None:
    root = os.path.realpath(output_dir)
    for item in plan:
        if os.path.commonpath([root, os.path.realpath(item.target)]) != root:
            raise Failure(f"{quoted(item.target)} is outside of {quoted(output_dir)}: a symbolic link leads there")
