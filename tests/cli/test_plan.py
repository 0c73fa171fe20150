"""Which input goes to which output."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from cli.failures import Failure
from cli.outputs import select_missing
from cli.plan import Input, Item, Names, argument, list_entry, make_plan, take_shard
from taichi_gs.errors import FileError
from taichi_gs.pictures.suffixes import READ_SUFFIXES


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with pictures in in/, two levels deep, and other things."""
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.png", "in/B.JPG", "in/one/a.png", "in/one/two/c.webp", "in/notes.txt", "in/one/d.tgs", "e.gif"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def planned(*inputs: Input, output_dir: str | None = "out", recursive: bool = True) -> dict[str, str]:
    """Sources by output, with slashes."""
    plan = make_plan(inputs, Names(".tgs", output_dir), recursive=recursive, suffixes=READ_SUFFIXES)
    assert not plan.unreadable
    assert plan.items == sorted(plan.items)
    return {Path(item.target).as_posix(): Path(item.source).as_posix() for item in plan.items}


MIRRORED = {
    "out/B.tgs": "in/B.JPG",
    "out/a.tgs": "in/a.png",
    "out/one/a.tgs": "in/one/a.png",
    "out/one/two/c.tgs": "in/one/two/c.webp",
}


@pytest.mark.parametrize("folder", ["in", "in/", "./in", "in/one/.."])
def test_folders_are_mirrored(tree: Path, folder: str) -> None:
    assert {target: os.path.normpath(source) for target, source in planned(argument(folder)).items()} == {
        target: os.path.normpath(folder + source.removeprefix("in")) for target, source in MIRRORED.items()
    }


def test_without_an_output_folder_outputs_are_beside_inputs(tree: Path) -> None:
    expected = {target.replace("out", "in", 1): source for target, source in MIRRORED.items()}
    assert planned(argument("in"), output_dir=None) == expected


def test_files_are_taken_whatever_their_suffix(tree: Path) -> None:
    assert planned(argument("e.gif"), argument("in/notes.txt"), recursive=False) == {
        "out/e.tgs": "e.gif",
        "out/notes.tgs": "in/notes.txt",
    }


def test_files_that_are_missing_are_found_out_later(tree: Path) -> None:
    assert planned(argument("in/no.png")) == {"out/no.tgs": "in/no.png"}


def test_lists_keep_their_folders(tree: Path) -> None:
    assert planned(list_entry("in/a.png"), list_entry("./in/one/a.png"), list_entry("in/one/two")) == {
        "out/in/a.tgs": "in/a.png",
        "out/in/one/a.tgs": "in/one/a.png",
        "out/in/one/two/c.tgs": "in/one/two/c.webp",
    }


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("a.png", "a.png"),
        ("x/../a.png", "a.png"),
        ("../../etc/a.png", "etc/a.png"),
        ("/data/x/a.png", "data/x/a.png"),
        ("//a.png", "a.png"),
        ("/../a.png", "a.png"),
        ("x/../../a.png", "a.png"),
    ],
)
def test_outputs_stay_in_their_folder(path: str, place: str) -> None:
    assert Path(list_entry(path).place) == Path(place)


def test_what_is_behind_a_link_keeps_its_path(tree: Path) -> None:
    (tree / "far" / "away").mkdir(parents=True)
    (tree / "link").symlink_to(tree / "far" / "away")
    path = os.path.join("link", os.pardir, "a.png")
    (item,) = make_plan([argument(path)], Names(".tgs"), recursive=False, suffixes={".png"}).items
    assert os.path.realpath(item.source) == str(tree / "far" / "a.png")
    assert os.path.dirname(os.path.realpath(item.target)) == str(tree / "far")


def test_a_folder_needs_r(tree: Path) -> None:
    with pytest.raises(Failure, match="'in': it is a folder, and -r takes what is in folders"):
        planned(argument("in"), recursive=False)


def test_a_file_given_twice_is_done_once(tree: Path) -> None:
    assert planned(argument("in"), argument("in/a.png"), argument("./in/a.png")) == MIRRORED


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a.png", "a.jpg"),
        ("a.png", "A.png"),
        ("é.png", "e\u0301.png"),
        ("x/a.png", "y/a.png"),
        ("STRASSE.png", "straße.png"),
    ],
)
def test_collisions_are_refused(first: str, second: str) -> None:
    with pytest.raises(Failure, match="would both become"):
        planned(argument(first), argument(second))


def test_lists_from_many_folders_do_not_collide() -> None:
    assert len(planned(list_entry("x/a.png"), list_entry("y/a.png"), list_entry("/y/z/a.png"))) == 3


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_links_to_folders_are_not_followed(tree: Path) -> None:
    (tree / "elsewhere").mkdir()
    (tree / "elsewhere" / "x.png").touch()
    (tree / "in" / "link").symlink_to(tree / "elsewhere")
    (tree / "in" / "loop").symlink_to(tree / "in")
    (tree / "in" / "file.png").symlink_to(tree / "elsewhere" / "x.png")
    assert planned(argument("in")) == {**MIRRORED, "out/file.tgs": "in/file.png"}
    assert planned(argument("in/link")) == {"out/x.tgs": "in/link/x.png"}


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
@pytest.mark.parametrize("name", ["one", "a.tgs"])
def test_links_out_of_the_output_folder_are_refused(tree: Path, name: str) -> None:
    (tree / "out").mkdir()
    (tree / "elsewhere").mkdir()
    (tree / "out" / name).symlink_to(tree / "elsewhere")
    with pytest.raises(Failure, match=r"is outside of 'out': a symbolic link leads there"):
        planned(argument("in"))


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_the_output_folder_itself_may_be_a_link(tree: Path) -> None:
    (tree / "elsewhere").mkdir()
    (tree / "out").symlink_to("elsewhere")
    assert planned(argument("in")) == MIRRORED


def test_outputs_in_the_input_folder_are_no_inputs(tree: Path) -> None:
    (tree / "in" / "out").mkdir()
    (tree / "in" / "out" / "old.png").touch()
    assert set(planned(argument("in"), output_dir="in/out").values()) == set(MIRRORED.values())


def test_folders_that_cannot_be_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse_one(path: str) -> Any:
        if Path(path) == Path("in/one"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse_one)
    plan = make_plan([argument("in")], Names(".tgs", "out"), recursive=True, suffixes=READ_SUFFIXES)
    assert [Path(item.source).as_posix() for item in plan.items] == ["in/B.JPG", "in/a.png"]
    name = os.path.join("in", "one")
    assert plan.unreadable == {name: f"cannot read the folder {name!r}: permission denied"}


def test_all_collisions_are_named(tree: Path) -> None:
    for name in ("in/a.jpg", "in/a.gif", "in/one/a.webp"):
        (tree / name).touch()
    with pytest.raises(Failure) as caught:
        planned(argument("in"))
    first, *rest = str(caught.value).splitlines()
    assert first.startswith("2 outputs would have several inputs; use --keep-suffix, rename files, or")
    a, b = (os.path.join("in", name) for name in ("a", os.path.join("one", "a")))
    targets = [os.path.join("out", "a.tgs"), os.path.join("out", "one", "a.tgs")]
    assert rest == [
        f"  {a + '.gif'!r}, {a + '.jpg'!r} and {a + '.png'!r} would all become {targets[0]!r}",
        f"  {b + '.png'!r} and {b + '.webp'!r} would both become {targets[1]!r}",
    ]


def test_kept_suffixes_do_not_collide(tree: Path) -> None:
    (tree / "in/a.jpg").touch()
    plan = make_plan([argument("in")], Names(".tgs", "out", keep=True), recursive=True, suffixes=READ_SUFFIXES)
    assert [Path(item.target).name for item in plan.items] == [
        *("B.JPG.tgs", "a.jpg.tgs", "a.png.tgs", "a.png.tgs", "c.webp.tgs")
    ]


def test_what_is_left_alone_in_folders(tree: Path) -> None:
    """Files of other types are counted; hidden files are not, nor are the other ends of the command's conversions."""
    for name in ("in/one/x.svg", "in/x.jfif", "in/._a.jpg", "in/.DS_Store", "in/.hidden.png"):
        (tree / name).touch()
    if hasattr(os, "mkfifo"):
        os.mkfifo("in/pipe.png")
    plan = make_plan([argument("in")], Names(".tgs", "out"), recursive=True, suffixes=READ_SUFFIXES)
    assert {Path(item.source).name for item in plan.items} == {"a.png", "B.JPG", "c.webp", ".hidden.png"}
    assert plan.num_others == 3


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12])
def test_shards_are_a_partition(count: int) -> None:
    plan = [Item(f"out/{index:02}.tgs", f"{index}.png") for index in range(10)]
    shards = [take_shard(plan, (index, count)) for index in range(1, count + 1)]
    assert sorted(item for shard in shards for item in shard) == plan
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_existing_outputs(tree: Path) -> None:
    items = [Item("in/one/d.tgs", "d.png"), Item("in/new.tgs", "new.png")]
    with pytest.raises(Failure, match=r"the output exists already: 'in/one/d\.tgs'; use --skip-existing .* --force"):
        select_missing(items, force=False, skip_existing=False)
    with pytest.raises(Failure, match=r"2 outputs exist already, such as 'e\.gif'"):
        select_missing([*items, Item("e.gif", "x.png")], force=False, skip_existing=False)
    assert select_missing(items, force=True, skip_existing=False) == items
    assert select_missing(items, force=False, skip_existing=True) == items[1:]


@pytest.mark.parametrize("skip_existing", [True, False])
def test_outputs_that_cannot_be_written(tree: Path, skip_existing: bool) -> None:
    with pytest.raises(FileError, match="it is a directory"):
        select_missing([Item("in", "x.png")], force=not skip_existing, skip_existing=skip_existing)
    with pytest.raises(Failure, match=r"the output 'e\.gif' is the input itself"):
        select_missing([Item("e.gif", "e.gif")], force=not skip_existing, skip_existing=skip_existing)
