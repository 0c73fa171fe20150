"""Help, version, and options that make no sense."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import pytest
from command_line import run

import taichi_gs
from cli import compress as compress_command
from taichi_gs.model.blending import Blending


@pytest.mark.parametrize("command", [[], ["compress"], ["decompress"], ["info"], ["compare"]])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(command: list[str], option: str) -> None:
    result = run(*command, option)
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert result.stderr == ""


def test_version() -> None:
    assert run("--version").stdout == f"tgs, version {taichi_gs.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["compress"],
        ["compress", "photo.png", "--k", "0"],
        ["compress", "photo.png", "--k", "many"],
        ["compress", "photo.png", "--num-gaussians", "0"],
        ["compress", "photo.png", "--steps", "-1"],
        ["compress", "photo.png", "--bpp", "0"],
        ["compress", "photo.png", "--seed", "-1"],
        ["compress", "photo.png", "--preset", "fastest"],
        ["compress", "photo.png", "--loss", "l3"],
        ["compress", "photo.png", "--blending", "beta"],
        ["compress", "photo.png", "--amplitude-bits", "13"],
        ["compress", "photo.png", "--opacity-bits", "8"],
        ["compress", "photo.png", "--device", "gpu"],
        ["compress", "photo.png", "--bpp", "0.1", "--num-gaussians", "10"],
        ["compare", "photo.png"],
    ],
)
def test_wrong_usage_is_status_2(photo_folder: Path, arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr
    assert os.listdir(photo_folder) == ["photo.png"]


def test_choices_are_those_of_the_library() -> None:
    choices = {parameter.name: getattr(parameter.type, "choices", ()) for parameter in compress_command.params}
    assert set(choices["preset"]) == set(taichi_gs.PRESETS)
    assert set(choices["blending"]) == set(get_args(Blending))


def test_options_that_the_library_refuses_are_wrong_usage(photo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(image: object, **options: object) -> bytes:
        raise taichi_gs.OptionError("k is too large")

    monkeypatch.setattr("taichi_gs.codec.encode", encode)
    result = run("compress", "photo.png")
    assert result.exit_code == 2
    assert "Error: k is too large" in result.stderr
