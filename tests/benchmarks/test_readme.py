"""The README and its examples: what they tell a reader to do works, and the figures are those of the results files."""

from __future__ import annotations

import importlib.util
import re
import runpy
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner
from conftest import ROOT
from PIL import Image

from benchmarks import summary
from cli import tgs

SIZE = (192, 128)
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.tsv"))
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/results/README.md")] + [
    ROOT / "docs" / name for name in ("format.md", "decisions.md", "results.md")
]


def blocks(language: str) -> list[str]:
    """The contents of the README's fenced blocks in a language."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return found


def readme_block() -> ModuleType:
    """The module .ci/readme_block.py, which finds the commands that .ci/run executes."""
    spec = importlib.util.spec_from_file_location("readme_block", ROOT / ".ci" / "readme_block.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a small copy of the example photograph as photo.png and examples/photo.png."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").mkdir()
    with Image.open(ROOT / "examples" / "photo.png") as photo:
        small = photo.resize(SIZE)
    small.save(tmp_path / "photo.png")
    small.save(tmp_path / "examples" / "photo.png")
    return tmp_path


def test_set_up_commands_are_marked_for_the_ci() -> None:
    find_block = readme_block().find_block
    example, tests = find_block(README, "example"), find_block(README, "tests")
    for block in (example, tests):
        assert "python3 -m venv .venv" in block
        assert "-c constraints.txt" in block
    assert "tgs compress examples/photo.png" in example
    assert "pytest" in tests


def test_python_example(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    examples = blocks("python")
    assert examples
    for code in examples:
        exec(compile(code, "README.md", "exec"), {})
    assert re.fullmatch(r"\d+ bytes, \d+ Gaussians, \d+\.\d{3} bits per pixel\n", capsys.readouterr().out)
    with Image.open("decoded.png") as decoded:
        assert (decoded.size, decoded.mode) == (SIZE, "RGB")


def test_commands(folder: Path) -> None:
    """Every `tgs` line, with fewer steps than it says."""
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("tgs ")]
    assert len(lines) > 5
    for line in lines:
        arguments = shlex.split(line, comments=True)[1:]
        few = ["--steps", "10"] if arguments[0] == "compress" else []
        result = CliRunner().invoke(tgs, [*arguments, *few])
        assert result.exit_code == 0, (line, result.output)
    written = {path.name for path in folder.iterdir()}
    assert written == {"examples", "photo.png", "photo.tgs", "small.tgs", "target.tgs", "quick.tgs", "back.png"}


def test_example_script(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # On a small picture a rate has to be high to leave room for more than the header.
    monkeypatch.setattr(sys, "argv", ["python_api.py", "photo.png", "0.5", "1"])
    runpy.run_path(str(ROOT / "examples" / "python_api.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.endswith(" dB") for line in lines)


def test_example_photograph_is_a_kodak_picture() -> None:
    with Image.open(ROOT / "examples" / "photo.png") as photo:
        assert (photo.format, photo.size, photo.mode) == ("PNG", (768, 512), "RGB")


def test_figures_are_those_of_the_results_files() -> None:
    quoted = summary.find_results(README)
    if RESULTS:
        assert quoted == summary.summarize(RESULTS)
    else:
        assert re.search(r"\d", quoted) is None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        assert target.startswith("https://") or (document.parent / target).exists(), target
