"""The option --limit, which allows more than usual, or less."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from quantized_pictures import quantized_picture

from cli import tgs
from cli.options import LIMIT_NAMES
from taichi_gs import Limits
from taichi_gs.format.bitstream import serialize


def test_the_option_has_a_name_for_each_limit() -> None:
    assert [f"max_{name}" for name in LIMIT_NAMES] == list(Limits.__dataclass_fields__)


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        ("pixels=767", "768 pixels, more than the 767 allowed"),
        ("side=63", "64 columns of cells, more than the 63 allowed"),
        ("gaussians=49", "50 Gaussians, more than the 49 allowed"),
        ("codewords=7", "8 codewords, more than the 7 allowed"),
        ("chunk_bytes=9", "10 bytes of metadata, more than the 9 allowed"),
        ("pairs=1", "pairs of a Gaussian and a tile, more than the 1 allowed"),
    ],
)
def test_the_option(tmp_path: Path, limit: str, sentence: str) -> None:
    path, target = tmp_path / "a.tgs", tmp_path / "a.png"
    path.write_bytes(serialize(quantized_picture(), {b"note": b"ab"}))
    commands: list[Any] = [["decompress", path, "-o", target], ["compare", path, path]]
    commands += [] if limit.startswith("pairs") else [["info", path]]
    name, number = limit.split("=")
    for command in commands:
        refused = CliRunner().invoke(tgs, [*map(str, command), "--limit", limit])
        assert refused.exit_code == 1
        assert sentence in refused.stderr.replace("\n", " ")
        assert not target.exists()
        enough = f"{name}={int(number) + 1000}"
        assert CliRunner().invoke(tgs, [*map(str, command), "--limit", enough, "--limit", "side=70"]).exit_code == 0
        target.unlink(missing_ok=True)


@pytest.mark.parametrize("limit", ["pixels", "pixels=", "pixels=-1", "pixels=many", "words=5", f"pixels={10**30}"])
def test_limits_that_make_no_sense(tmp_path: Path, limit: str) -> None:
    result = CliRunner().invoke(tgs, ["info", "a.tgs", "--limit", limit])
    assert result.exit_code == 2
    assert "is not NAME=NUMBER" in result.stderr.replace("\n", " ")


def test_limits_allow_more(tmp_path: Path) -> None:
    path = tmp_path / "a.tgs"
    path.write_bytes(serialize(replace(quantized_picture(num_gaussians=0), image_size=(9460, 9460))))
    refused = CliRunner().invoke(tgs, ["info", str(path), "--json"])
    assert refused.exit_code == 1
    allowed = CliRunner().invoke(tgs, ["info", str(path), "--json", "--limit", "pixels=89500000"])
    assert json.loads(allowed.stdout)["width"] == 9460
