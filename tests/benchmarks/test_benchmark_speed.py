"""The speed benchmark: its figures, its C twin that computes what the kernels do, and each section once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks import measuring, speed
from benchmarks.blend_twin import Twin, find_compiler
from benchmarks.measuring import COLUMNS, Subject
from benchmarks.speed_stages import Scene, blend_actions, kernel_rows, step_rows
from taichi_gs.kernels import runtime
from taichi_gs.model.blending import Blending

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="there is no gcc")


@pytest.fixture
def scene() -> Scene:
    """Neither side is a whole number of tiles."""
    if runtime.start() != "cpu":
        pytest.skip("the benchmark is of the CPU's kernels, and Taichi runs on CUDA")
    return Scene(70, 40, 60)


def cells(line: str) -> dict[str, str]:
    return dict(zip(COLUMNS, line.split("\t"), strict=True))


def test_a_row_has_median_and_range() -> None:
    line = cells(measuring.row("decode", Subject(preset="fast", threads="2"), [3.0, 1.0, 8.0], to_twin=1.234))
    assert [line[name] for name in ("what", "preset", "width", "threads")] == ["decode", "fast", "-", "2"]
    assert [line[name] for name in ("runs", "unit", "median", "min", "max")] == ["3", "ms", "3.00", "1.00", "8.00"]
    assert line["to_twin"] == "1.23"
    assert cells(measuring.row("decode", Subject(), [1.0], "MiB"))["to_twin"] == "-"


def test_actions_take_turns() -> None:
    calls: list[str] = []
    times = measuring.times_in_turn({name: lambda name=name: calls.append(name) for name in "ab"}, 2)  # type: ignore[misc]
    assert calls == list("ababab")
    assert [len(times[name]) for name in "ab"] == [2, 2]


def test_the_ratio_is_that_of_neighbours_in_time() -> None:
    assert measuring.ratio_in_turn([2.0, 20.0, 9.0], [1.0, 10.0, 1.0]) == 2.0


def test_a_process_is_timed_and_weighed(tmp_path: Path) -> None:
    program = "import time; block = bytearray(200 << 20); time.sleep(0.2); print(len(block))"
    process = measuring.run_process(["-c", program], tmp_path)
    assert process.stdout.split() == [str(200 << 20)]
    assert process.milliseconds > 200
    assert process.mebibytes > 200
    with pytest.raises(subprocess.CalledProcessError):
        measuring.run_process(["-c", "raise SystemExit(3)"], tmp_path)


@needs_compiler
@pytest.mark.parametrize("blending", ["normalized", "alpha"])
def test_the_twin_computes_what_the_kernels_do(blending: Blending, scene: Scene, tmp_path: Path) -> None:
    compiler = find_compiler()
    assert compiler is not None
    conics, extents = scene.project(blending)
    lists = scene.bin(extents)
    twin = Twin(compiler, blending, tmp_path)
    actions = blend_actions(scene, blending, conics, extents, lists, twin)
    assert {name: list(kinds) for name, kinds in actions.items()} == {
        "forward": ["kernel", "twin"],
        "backward": ["kernel", "twin"],
        "forward and backward": ["kernel", "twin"],
    }


@needs_compiler
def test_a_twin_that_computes_something_else_is_no_twin(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = find_compiler()
    assert compiler is not None
    conics, extents = scene.project("normalized")
    twin = Twin(compiler, "normalized", tmp_path)
    original = twin.forward

    def forward(splats: list[NDArray[np.float32]], background: NDArray[np.float32], *rest: object) -> None:
        original(splats, background + np.float32(0.1), *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(twin, "forward", forward)
    with pytest.raises(ValueError, match="the C twin is off by"):
        blend_actions(scene, "normalized", conics, extents, scene.bin(extents), twin)


def test_without_a_compiler_kernels_are_timed_alone(scene: Scene) -> None:
    rows = [cells(line) for line in kernel_rows(scene, 2, 1, None)]
    names = ["project", "list_tiles", "gather"]
    stages = ("forward", "backward", "forward and backward")
    names += [f"{stage}, {blending}" for blending in ("normalized", "alpha") for stage in stages]
    assert [line["what"] for line in rows] == names
    assert {line["to_twin"] for line in rows} == {"-"}
    assert {(line["width"], line["height"], line["num_gaussians"], line["threads"]) for line in rows} == {
        ("70", "40", "60", "2")
    }
    assert all(int(line["num_pairs"]) > 60 for line in rows)


def test_a_step_leaves_the_gaussians_as_they_are(scene: Scene) -> None:
    means = scene.means.copy()
    rows = {row["what"]: float(row["median"]) for row in map(cells, step_rows(scene, 1, 3))}
    assert set(rows) == {"whole step", "serial part of the step", "optimiser"}
    assert min(rows.values()) > 0
    np.testing.assert_array_equal(scene.means, means)


def test_the_benchmark_as_a_process(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    """With the sections that need processes; its own memory is in the way of measuring that of others."""
    source, out = tmp_path / "picture.png", tmp_path / "speed.tsv"
    Image.fromarray(picture).save(source)
    arguments = ["--only", "steps,presets,startup", "--runs", "1", "--encodes", "1", "--presets", "fast"]
    arguments += ["--scenes", "40x24x20", "--picture", str(source), "--out", str(out)]
    subprocess.run([sys.executable, "-m", "benchmarks.speed", *arguments], cwd=speed.ROOT, check=True)
    text = out.read_text(encoding="utf-8")
    assert "# cpu: " in text
    assert str(tmp_path) not in text
    header, *lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert tuple(header.split("\t")) == COLUMNS
    rows = [cells(line) for line in lines]
    found = {row["what"] for row in rows}
    assert {"whole step", "serial part of the step", "optimiser", "encode", "encode, peak memory", "decode"} <= found
    assert {"tgs decompress", "tgs info", "tgs --help", "tgs decompress, peak memory"} <= found
    assert {f"start-up, {cache} cache: ti.init" for cache in ("warm", "cold")} <= found
    assert all(float(row["min"]) <= float(row["median"]) <= float(row["max"]) for row in rows)
    assert all(float(row["min"]) > 0 for row in rows if "start-up" not in row["what"])
    assert {row["threads"] for row in rows if row["what"] == "whole step"} == {
        str(threads) for threads in {1, os.cpu_count()}
    }


def test_unknown_sections_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        speed.main(["--only", "kernels,start"])
    assert "start is none of kernels, steps, presets, startup" in capsys.readouterr().err
