"""What the command line imports before it gets to work."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Python


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["info", "photo.tgs"], ["compress", "--help"]])
def test_what_has_to_start_at_once_imports_nothing_heavy(
    python: Python, tmp_path: Path, arguments: list[str], encoded: bytes
) -> None:
    (tmp_path / "photo.tgs").write_bytes(encoded)
    result = python("-X", "importtime", "-m", "cli", *arguments)
    assert result.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert imported.isdisjoint({"torch", "taichi", "imageio", "rich", "PIL"})


def test_decompress_imports_neither_taichi_nor_torch_nor_imageio(
    python: Python, tmp_path: Path, encoded: bytes
) -> None:
    (tmp_path / "photo.tgs").write_bytes(encoded)
    result = python("-X", "importtime", "-m", "cli", "decompress", "photo.tgs")
    assert result.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "taichi_gs.decoder.draw" in imported
    others = {"taichi", "torch", "array_api_compat", "imageio", "rich", "PIL.ImageCms", "PIL.GbrImagePlugin"}
    assert imported.isdisjoint(others)
