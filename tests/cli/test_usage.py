"""Help, version, and options that make no sense."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import click
import pytest
from command_line import error_of, run

import taichi_gs
from cli import compress as compress_command
from cli import decompress as decompress_command
from cli import embed as embed_command
from cli.failures import OPTIONS, PLAIN_OPTIONS, sentence_of
from taichi_gs.encoder.presets import configure
from taichi_gs.errors import FileError, OptionError
from taichi_gs.model.blending import Blending


@pytest.mark.parametrize("command", [[], ["compress"], ["decompress"], ["info"], ["compare"], ["view"]])
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
        ["compress", "photo.png", "--bpp", "0.1", "--bytes", "900", "--output-dir", "out"],
        ["compress", "photo.png", "photo.png", "--loss", "l1", "--tune", "visual", "--dry-run"],
        ["decompress", "photo.tgs", "--scale", "2", "--size", "9x9", "--output-dir", "out"],
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


def test_options_that_the_library_refuses_are_wrong_usage(photo_folder: Path) -> None:
    result = run("compress", "photo.png", "--loss", "l1", "--tune", "visual")
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: tgs compress ")
    assert "Error: --tune visual and --loss l1 exclude each other" in result.stderr


def test_options_that_do_not_fit_a_picture_are_its_failure(photo_folder: Path) -> None:
    """With one picture as with several."""
    refused = error_of(run("compress", "photo.png", "--bpp", "0.001"))
    assert refused.startswith("'photo.png': 0.001 bits per pixel is too little for this picture: ")
    several = run("compress", "photo.png", "--bpp", "0.001", "--output-dir", "out")
    assert (several.exit_code, several.stderr.splitlines()[-1]) == (1, f"  photo.png  {refused}")


def test_words_for_what_is_no_number(photo_folder: Path) -> None:
    for option, value, kind in (("--bytes", "10k", "whole number"), ("--bpp", "little", "number")):
        result = run("compress", "photo.png", option, value)
        assert result.exit_code == 2
        assert f"Error: Invalid value for '{option}': '{value}' is not a valid {kind}." in result.stderr


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("'first_frame.gif' holds two: ask for first_frame", "'first_frame.gif' holds two: add --first-frame"),
        ("covariance_k must be at most 9", "--covariance-k must be at most 9"),
        ("scale must be a positive number", "--scale must be a positive number"),
        ("tune visual and loss l1-ssim exclude each other", "--tune visual and --loss l1-ssim exclude each other"),
        ("num_bytes and psnr exclude each other", "--bytes and --psnr exclude each other"),
        ("'it is' of another size than \"num_bytes\"", "'it is' of another size than \"num_bytes\""),
    ],
)
def test_messages_of_the_library_have_the_options_of_the_command(sentence: str, said: str) -> None:
    assert sentence_of(OptionError(sentence)) == said


def test_goals_that_exclude_each_other(photo_folder: Path) -> None:
    result = run("compress", "photo.png", "--bpp", "1", "--bytes", "900")
    assert result.exit_code == 2
    assert "Error: --bpp and --bytes exclude each other" in result.stderr


def test_names_of_options_are_those_of_the_command() -> None:
    known = {option for parameter in compress_command.params for option in parameter.opts}
    known |= {option for parameter in decompress_command.params for option in parameter.opts}
    known |= {option for parameter in embed_command.params for option in parameter.opts}
    assert {*OPTIONS.values(), *(f"--{name}" for name in PLAIN_OPTIONS)} <= known


def test_bounds_in_the_help_are_the_real_ones() -> None:
    """Of options with whole numbers, against what the library says of the first number beyond."""
    checked = 0
    for parameter in compress_command.params:
        name, kind = parameter.name, parameter.type
        if not isinstance(kind, click.IntRange) or name in ("jobs", "max_pixels"):
            continue
        for least_or_most, beyond in ((kind.min, -1), (kind.max, 1)):
            assert least_or_most is not None
            assert name is not None
            configure("fast", {name: least_or_most})
            with pytest.raises(OptionError):
                configure("fast", {name: least_or_most + beyond})
            checked += 1
    assert checked == 24


@pytest.mark.parametrize("command", ["compress", "decompress", "info"])
def test_a_file_that_may_not_be_read_is_no_wrong_usage(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(os, "access", lambda *_, **options: False)
    monkeypatch.setattr("cli.streams.read_bytes", refuse)
    assert error_of(run(command, "photo.png")) == "cannot read 'photo.png': permission denied"


def refuse(path: str) -> bytes:
    raise FileError(f"cannot read {path!r}: permission denied")
