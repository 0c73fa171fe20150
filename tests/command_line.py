"""The command line in the tests' own process, and what it prints and leaves behind."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from cli import tgs

Python = Callable[..., subprocess.CompletedProcess[str]]

FEW = ["--preset", "fast", "--num-gaussians", "30", "--k", "8", "--steps", "20"]


def run(*arguments: object, **options: Any) -> Result:
    return CliRunner().invoke(tgs, [str(argument) for argument in arguments], **options)


def error_of(result: Result) -> str:
    """The one sentence of a failed run."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("tgs: error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("tgs: error: ").rstrip("\n")


def objects(text: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The records by lines, and the totals after them."""
    *records, last = map(json.loads, text.splitlines())
    (totals,) = last.values()
    assert list(last) == ["totals"]
    return records, totals


def below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
