"""Batches of files: what the workers for Ray Data do, with Ray and without, and how files are read and published."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import numpy as np
import pytest
from conftest import checkout_environment
from fsspec.implementations.memory import MemoryFileSystem
from numpy.typing import NDArray
from picture_files import swapped_profile
from PIL import Image

import taichi_gs
from taichi_gs import DeviceError, OptionError
from taichi_gs.integrations import ray as integration
from taichi_gs.integrations.ray import Compress, Decompress, Row, list_files
from taichi_gs.integrations.storage import Storage
from taichi_gs.pictures.convert import as_byte_image
from taichi_gs.pictures.read import read_image

QUICK: dict[str, Any] = {"preset": "fast", "steps": 10, "num_gaussians": 12, "k": 5, "device": "cpu"}

Bytes = NDArray[np.uint8]


class FlakyFileSystem(MemoryFileSystem):
    """In memory, but files are written bit by bit, and operations fail as often as `failures` names them."""

    protocol = "flaky"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    failures: ClassVar[list[str]] = []
    calls: ClassVar[list[tuple[str, ...]]] = []

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("flaky:/")))

    def cat_file(self, path: str, **options: Any) -> bytes:
        self._call("read", path)
        return super().cat_file(path, **options)

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        super().pipe_file(path, value[: len(value) // 2])
        self._call("write", path)
        super().pipe_file(path, value)

    def mv(self, path1: str, path2: str, **options: Any) -> None:
        self._call("rename", path1, path2)
        super().mv(path1, path2, **options)

    def _call(self, *call: str) -> None:
        self.calls.append(call)
        if call[0] in self.failures:
            self.failures.remove(call[0])
            raise TimeoutError("the network is gone")


@pytest.fixture
def flaky() -> FlakyFileSystem:
    fsspec.register_implementation("flaky", FlakyFileSystem, clobber=True)
    for state in (FlakyFileSystem.store, FlakyFileSystem.calls, FlakyFileSystem.failures):
        state.clear()
    filesystem: FlakyFileSystem = fsspec.filesystem("flaky")
    return filesystem


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    yield filesystem
    filesystem.store.clear()


def test_quality_is_that_of_the_colors_that_were_encoded(picture: Bytes, tmp_path: Path) -> None:
    """With `srgb` they are not those of the picture, whose profile here means other ones."""
    source, output = tmp_path / "a.png", tmp_path / "a.tgs"
    Image.fromarray(picture).save(source, icc_profile=swapped_profile())
    compress = Compress(srgb=True, **QUICK | {"steps": 60, "num_gaussians": 100})
    row = compress({"path": np.array([str(source)]), "output": np.array([str(output)])})
    assert row["error"].tolist() == [""]
    decoded = taichi_gs.decode(output).astype(float)

    def psnr_to(pixels: Bytes) -> float:
        return float(10 * np.log10(255**2 / np.mean((decoded - pixels) ** 2)))

    assert row["psnr"][0] == pytest.approx(psnr_to(as_byte_image(read_image(source))))
    assert row["psnr"][0] > psnr_to(picture) + 3


def png_of(picture: Bytes) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def rows_of(worker: Callable[..., Any], *pairs: tuple[str, str]) -> list[Row]:
    columns = worker({"path": np.array([p for p, _ in pairs]), "output": np.array([o for _, o in pairs])})
    assert list(columns) == ["path", "output", "status", "bytes", "bpp", "psnr", "error"]
    return [Row(*values) for values in zip(*columns.values(), strict=True)]


# The workers


def test_pictures_become_files_and_rows(memory: MemoryFileSystem, picture: Bytes) -> None:
    memory.pipe_file("/in/one.png", png_of(picture))
    memory.pipe_file("/in/two.png", png_of(picture[::-1].copy()))
    rows = rows_of(
        Compress(**QUICK),
        ("memory://in/one.png", "memory://out/deep/one.tgs"),
        ("memory://in/two.png", "memory://out/two.tgs"),
    )
    for row, name, original in zip(rows, ("/out/deep/one.tgs", "/out/two.tgs"), (picture, picture[::-1]), strict=True):
        data = memory.cat_file(name)
        assert (row.status, row.error, row.output, row.bytes) == ("written", "", f"memory:/{name}", len(data))
        assert row.bpp == pytest.approx(8 * len(data) / (24 * 32))
        error = np.mean((taichi_gs.decode(data).astype(float) - original) ** 2)
        assert row.psnr == pytest.approx(10 * np.log10(255**2 / error))


def test_a_bad_picture_does_not_stop_the_others(memory: MemoryFileSystem, picture: Bytes) -> None:
    memory.pipe({"/in/text.png": b"no picture", "/in/good.png": png_of(picture), "/in/cut.png": png_of(picture)[:100]})
    names = ("text", "missing", "cut", "good")
    rows = rows_of(
        Compress(measured=False, **QUICK), *((f"memory://in/{n}.png", f"memory://out/{n}.tgs") for n in names)
    )
    assert [row.status for row in rows] == ["failed", "failed", "failed", "written"]
    assert rows[0].error.startswith("ImageError: 'memory://in/text.png' is not a picture")
    assert rows[1].error.startswith("FileNotFoundError: ")
    assert rows[2].error.startswith("ImageError: ")
    assert [row.bytes for row in rows[:3]] == [0, 0, 0]
    assert np.isnan([row.bpp for row in rows[:3]]).all()
    assert np.isnan(rows[3].psnr)
    assert memory.find("/out") == ["/out/good.tgs"]


def test_what_is_there_is_skipped(memory: MemoryFileSystem, picture: Bytes) -> None:
    memory.pipe({"/in/a.png": png_of(picture), "/out/a.tgs": b"from before"})
    pair = ("memory://in/a.png", "memory://out/a.tgs")
    [row] = rows_of(Compress(**QUICK), pair)
    assert (row.status, row.bytes, row.error) == ("skipped", len(b"from before"), "")
    assert memory.cat_file("/out/a.tgs") == b"from before"
    [row] = rows_of(Compress(skip_existing=False, **QUICK), pair)
    assert row.status == "written"
    assert taichi_gs.info(memory.cat_file("/out/a.tgs")).width == 32


def test_a_psnr_out_of_reach(memory: MemoryFileSystem, picture: Bytes) -> None:
    memory.pipe_file("/in/a.png", png_of(picture))
    options = {"preset": "fast", "steps": 10, "device": "cpu", "psnr": 90.0}
    [row] = rows_of(Compress(**options), ("memory://in/a.png", "memory://out/a.tgs"))
    assert row.status == "written"
    assert "90" in row.error
    assert 0 < row.psnr < 90
    assert row.bytes == memory.size("/out/a.tgs")


def test_a_missing_device_is_no_fault_of_a_picture(
    monkeypatch: pytest.MonkeyPatch, memory: MemoryFileSystem, picture: Bytes
) -> None:
    def fail(*arguments: Any, **options: Any) -> bytes:
        raise DeviceError("no CUDA device was found")

    monkeypatch.setattr(integration, "encode", fail)
    memory.pipe_file("/in/a.png", png_of(picture))
    with pytest.raises(DeviceError):
        rows_of(Compress(device="cuda"), ("memory://in/a.png", "memory://out/a.tgs"))


@pytest.mark.parametrize(
    "options", [{"stepps": 5}, {"num_bytes": 900, "psnr": 30.0}, {"preview": True, "keep_metadata": True}]
)
def test_options_that_make_no_sense_are_no_fault_of_a_picture(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        Compress(**options)


def test_other_options_that_make_no_sense() -> None:
    with pytest.raises(OptionError, match="unknown option 'sclae': choose grain, limits, region, scale, size"):
        Decompress(sclae=2)
    with pytest.raises(OptionError, match="unknown option 'sclae'"):
        integration.convert([], Decompress, sclae=2)
    for worker in (Compress, Decompress):
        with pytest.raises(OptionError, match="unknown device 'gpu': choose auto, "):
            worker(device="gpu")  # type: ignore[arg-type]


def test_files_become_pictures(tmp_path: Path, picture: Bytes) -> None:
    data = taichi_gs.encode(picture, **QUICK)
    (tmp_path / "a.tgs").write_bytes(data)
    (tmp_path / "bad.tgs").write_bytes(data[:-1])
    names = (("a.tgs", "deep/er/a.png"), ("bad.tgs", "bad.png"), ("a.tgs", "a.xyz"))
    pairs = [(str(tmp_path / source), (tmp_path / target).as_uri()) for source, target in names]
    rows = rows_of(Decompress(device="cpu", scale=2), *pairs)
    assert [row.status for row in rows] == ["written", "failed", "failed"]
    assert (rows[0].bytes, rows[0].bpp) == (len(data), pytest.approx(8 * len(data) / (24 * 32)))
    np.testing.assert_array_equal(Image.open(tmp_path / "deep/er/a.png"), taichi_gs.decode(data, scale=2))
    assert rows[1].error.startswith("BitstreamError: ")
    assert rows[2].error.startswith("ImageError: ")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a.png", "a.tgs", "bad.tgs"]


# Storage


def test_a_network_that_comes_back(flaky: FlakyFileSystem) -> None:
    storage = Storage(tries=3, wait=0.0)
    flaky.failures += ["write", "rename"]
    storage.publish("flaky://out/a", b"contents")
    flaky.failures += ["read", "read"]
    assert storage.read("flaky://out/a") == b"contents"
    flaky.failures += ["read", "read", "read"]
    with pytest.raises(TimeoutError):
        storage.read("flaky://out/a")
    assert flaky.failures == []
    assert flaky.find("/") == ["/out/a"]


def test_what_is_not_there_is_looked_for_once(flaky: FlakyFileSystem) -> None:
    with pytest.raises(FileNotFoundError):
        Storage(tries=3, wait=0.0).read("flaky://out/a")
    assert flaky.calls == [("read", "/out/a")]
    assert Storage().size("flaky://out/a") is None


def test_the_name_is_given_last(flaky: FlakyFileSystem) -> None:
    Storage().publish("flaky://out/a", b"contents")
    (_, temporary), rename = flaky.calls
    assert rename == ("rename", temporary, "/out/a")
    assert temporary.rpartition("/")[0] == "/out"
    assert flaky.find("/") == ["/out/a"]


@pytest.mark.parametrize("operation", ["write", "rename"])
def test_no_half_of_a_file_stays(flaky: FlakyFileSystem, operation: str) -> None:
    flaky.failures.append(operation)
    with pytest.raises(TimeoutError):
        Storage(tries=1).publish("flaky://out/a", b"contents")
    assert flaky.calls[-1][0] == operation
    assert flaky.find("/") == []


def test_local_files_are_written_by_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "a b#c.tgs"
    Storage().publish(path.as_uri().replace("%20", " ").replace("%23", "#"), b"contents")
    assert path.read_bytes() == b"contents"
    monkeypatch.setattr("os.replace", lambda *paths: (_ for _ in ()).throw(OSError("gone")))
    with pytest.raises(taichi_gs.FileError):
        Storage(tries=1).publish(str(path), b"others")
    assert path.read_bytes() == b"contents"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_local_file_that_cannot_be_written_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    (tmp_path / "folder").mkdir()
    with pytest.raises(taichi_gs.FileError, match="it is a directory"):
        Storage(tries=3).publish(str(tmp_path / "folder"), b"contents")
    assert slept == []
    monkeypatch.setattr("os.replace", lambda *paths: (_ for _ in ()).throw(TimeoutError("gone")))
    with pytest.raises(taichi_gs.FileError, match="gone"):
        Storage(tries=3).publish(str(tmp_path / "a"), b"contents")
    assert slept == [1.0, 2.0]


# Lists


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(NotADirectoryError, match="is a file, not a folder"):
        list_files(str(tmp_path / "a.png"), str(tmp_path / "out"))


def test_folders_are_mirrored(memory: MemoryFileSystem) -> None:
    memory.pipe({f"/in/{name}": b"" for name in ("b.PNG", "a/c.jpeg", "a/d.txt", "a/b/e.tif", "f.tgs")})
    assert list_files("memory://in", "memory://out/") == [
        {"path": "memory:///in/a/b/e.tif", "output": "memory:///out/a/b/e.tgs"},
        {"path": "memory:///in/a/c.jpeg", "output": "memory:///out/a/c.tgs"},
        {"path": "memory:///in/b.PNG", "output": "memory:///out/b.tgs"},
    ]
    assert list_files("memory://in", "memory://out", Decompress, suffix=".webp") == [
        {"path": "memory:///in/f.tgs", "output": "memory:///out/f.webp"}
    ]


def test_local_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    expected = {"path": (tmp_path / "in/a.png").as_uri(), "output": (tmp_path / "out/a.tgs").as_uri()}
    assert list_files("in", "out") == [expected]


def test_one_output_for_two_files_is_refused(memory: MemoryFileSystem) -> None:
    memory.pipe({"/in/a.png": b"", "/in/A.jpg": b""})
    with pytest.raises(OptionError, match=r"'memory:///in/A\.jpg' and 'memory:///in/a\.png' would both become"):
        list_files("memory://in", "memory://out")
    with pytest.raises(FileNotFoundError):
        list_files("memory://nothing", "memory://out")


@pytest.mark.parametrize("name", ["/in/../x.png", "/in/a/../../../x.png", "/in/a/../x.png"])
def test_names_that_lead_elsewhere_are_refused(memory: MemoryFileSystem, name: str) -> None:
    """In object stores they are names like others, and the outputs are written where folders are."""
    memory.pipe({"/in/b.png": b""})
    memory.store[name] = memory.store["/in/b.png"]
    with pytest.raises(OptionError, match=r"has '\.\.' in its name: its output would be outside 'memory:///out'"):
        list_files("memory://in", "memory://out")


def test_a_source_above_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("in", "work"):
        (tmp_path / folder).mkdir()
    (tmp_path / "in" / "a..b.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path / "work")
    for source in ("../in", str(tmp_path / "work" / ".." / "in")):
        assert [row["output"] for row in list_files(source, "out")] == [(tmp_path / "work/out/a..b.tgs").as_uri()]


def test_the_limit_of_pixels_reaches_the_reader(picture: Bytes, tmp_path: Path) -> None:
    Image.fromarray(picture).save(tmp_path / "a.png")
    columns = {"path": np.array([str(tmp_path / "a.png")]), "output": np.array([str(tmp_path / "a.tgs")])}
    assert "more than the limit of 767" in Compress(max_pixels=767, **QUICK)(columns)["error"][0]
    assert Compress(max_pixels=768, **QUICK)(columns)["status"][0] == "written"


# Ray


def test_ray_is_not_imported(python: Callable[..., Any]) -> None:
    code = "import sys, taichi_gs.integrations.ray; print('ray' in sys.modules, 'taichi' in sys.modules)"
    assert python("-c", code).stdout == "False False\n"
    code = "import sys, taichi_gs.codec; print('fsspec' in sys.modules, 'taichi_gs.integrations' in sys.modules)"
    assert python("-c", code).stdout == "False False\n"


def test_two_workers(tmp_path: Path, picture: Bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for number in range(4):
        Image.fromarray(np.roll(picture, number, axis=1)).save(folder / f"{number}.png")
        Image.fromarray(np.roll(picture, number, axis=0)).save(folder / "deep" / f"{number}.jpg")
    (folder / "bad.png").write_bytes(b"no picture")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "0.tgs").write_bytes(b"from before")
    monkeypatch.setenv("PYTHONPATH", checkout_environment()["PYTHONPATH"])
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        files = list_files(str(folder), str(tmp_path / "out"))
        options = {name: value for name, value in QUICK.items() if name != "device"}
        results = integration.convert(files, Compress, num_workers=2, batch_size=2, **options).take_all()
    finally:
        ray.shutdown()
    rows = {row["path"].rpartition("/in/")[2]: Row(**row) for row in results}
    assert len(rows) == 9
    assert rows.pop("bad.png").error.startswith("ImageError: ")
    assert rows.pop("0.png").status == "skipped"
    for name, row in rows.items():
        data = (tmp_path / "out" / name).with_suffix(".tgs").read_bytes()
        assert (row.status, row.bytes, row.error) == ("written", len(data), "")
        original = np.asarray(Image.open(folder / name)).astype(float)
        assert row.psnr == pytest.approx(10 * np.log10(255**2 / np.mean((original - taichi_gs.decode(data)) ** 2)))
