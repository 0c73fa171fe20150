"""Type checkers see mistakes in calls of `encode`, as editors do."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from conftest import ROOT
from mypy import api

from taichi_gs import EncoderConfig, OptionError, encode
from taichi_gs.encoder.presets import EncodeOptions

PROGRAM = """
import numpy as np
import taichi_gs
picture = np.zeros((4, 4, 3), np.uint8)
taichi_gs.encode(picture, {options})
"""


def complaints(folder: Path, options: str) -> list[str]:
    program = folder / "program.py"
    program.write_text(PROGRAM.format(options=options))
    shown, errors, _ = api.run(
        [str(program), "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(folder / "cache")]
    )
    assert errors == ""
    return [line for line in shown.splitlines() if "program.py" in line and " error: " in line]


def test_options_are_those_of_the_configuration() -> None:
    others = {"k", "max_pixels", "preview"}
    assert EncodeOptions.__optional_keys__ == {field.name for field in fields(EncoderConfig)} | others


def test_a_type_checker_sees_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert complaints(tmp_path, "preset='fast', k=5, steps=10, bits_per_pixel=0.2, device='cpu'") == []
    for options, complaint in (
        ("bpp=0.2", 'keyword argument "bpp"'),
        ("preset='slow'", 'Argument "preset"'),
        ("psnr='x'", 'Argument "psnr"'),
        ("loss='l3'", 'Argument "loss"'),
        ("device='gpu'", 'Argument "device"'),
    ):
        (line,) = complaints(tmp_path, options)
        assert complaint in line


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("bits_per_pixels", "bits_per_pixel"), ("num_gaussian", "num_gaussians"), ("restart", "restarts")],
)
def test_an_unknown_option_names_the_nearest(wrong: str, nearest: str) -> None:
    with pytest.raises(OptionError, match=rf"^unknown option '{wrong}': did you mean {nearest}\?$"):
        encode([[0]], **{wrong: 1})  # type: ignore[misc]
    with pytest.raises(OptionError, match=r"^unknown option 'zzz'$"):
        encode([[0]], zzz=1)  # type: ignore[call-arg]
