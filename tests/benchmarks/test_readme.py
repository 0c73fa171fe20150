"""The README, the pages and their examples: what they tell a reader to do works, and figures are those of the files."""

from __future__ import annotations

import importlib.util
import re
import runpy
import shlex
import shutil
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
README, PYTHON, COMMANDS, FIGURES = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "docs/python.md", "docs/command-line.md", "docs/results.md")
)
RESULTS = ROOT / "benchmarks" / "results"
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/results/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]


def blocks(text: str, language: str) -> list[str]:
    """The contents of a document's fenced blocks in a language."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return found


def commands(text: str) -> list[list[str]]:
    """The arguments of every line of a document's blocks that runs tgs, and neither reads nor writes a pipe."""
    lines = [line for block in blocks(text, "sh") for line in block.splitlines() if line.startswith("tgs ")]
    return [shlex.split(line, comments=True)[1:] for line in lines if not re.search("[<>|]", line)]


def run(arguments: list[str]) -> None:
    """Run tgs, with fewer steps than the arguments say, and without a browser."""
    more = {"compress": ["--steps", "10"], "view": ["--no-open"]}.get(arguments[0], [])
    result = CliRunner().invoke(tgs, [*arguments, *more])
    assert result.exit_code == 0, (arguments, result.output)


def readme_block() -> ModuleType:
    """The module .ci/readme_block.py, which finds the commands that .ci/run executes."""
    spec = importlib.util.spec_from_file_location("readme_block", ROOT / ".ci" / "readme_block.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a small copy of the example photograph as photo.png and examples/photo.png."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("temporary")))
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
    examples = blocks(README, "python")
    assert examples
    for code in examples:
        exec(compile(code, "README.md", "exec"), {})
    assert re.fullmatch(r"\d+ bytes, \d+ Gaussians, \d+\.\d{3} bits per pixel\n", capsys.readouterr().out)
    with Image.open("decoded.png") as decoded:
        assert (decoded.size, decoded.mode) == (SIZE, "RGB")


def test_python_page(folder: Path) -> None:
    examples = blocks(PYTHON, "python")
    assert len(examples) > 5
    for code in examples:
        exec(compile(code, "python.md", "exec"), {})


def test_commands_of_the_page(folder: Path) -> None:
    (folder / "holiday" / "day 1").mkdir(parents=True)
    for name in ("a.png", "day 1/b.png"):
        shutil.copy(folder / "photo.png", folder / "holiday" / name)
    (folder / "list.txt").write_text("holiday/a.png\nholiday/day 1/b.png\n", encoding="utf-8")
    found = commands(COMMANDS)
    assert len(found) > 20
    for arguments in found:
        run(arguments)


def test_commands(folder: Path) -> None:
    found = commands(README)
    assert len(found) > 5
    for arguments in found:
        run(arguments)
    written = {path.name for path in folder.iterdir()}
    assert written == {
        "examples",
        "photo.png",
        "photo.tgs",
        "small.tgs",
        "target.tgs",
        "quality.tgs",
        "quick.tgs",
        "preview.tgs",
        "back.png",
    }


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
    assert summary.find_results(README) == summary.summarize([RESULTS / "rate" / "kodak" / "taichi_gs-default.tsv"])
    quoted = summary.find_results(FIGURES, "presets")
    assert quoted == summary.summarize(RESULTS.glob("*.tsv"), ROOT / "docs")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        assert target.startswith("https://") or (document.parent / target).exists(), target
