"""How a results file was made (the command, the code, the machine), and writing one."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

from taichi_gs.encoder.version import ENCODER_VERSION

ROOT = Path(__file__).resolve().parents[1]

# What results depend on; the results themselves do not count as changes.
_SOURCES = ("taichi_gs", "benchmarks", "fuzz", "web", "constraints.txt", ":!benchmarks/results")
_PACKAGES = ("atheris", "constriction", "numpy", "pillow", "pytorch-msssim", "taichi", "torch")


def write_lines(lines: Iterable[str], out: Path | None) -> None:
    """Write lines to the file `out`, or to stdout."""
    text = "".join(f"{line}\n" for line in lines)
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")


def provenance(command: str) -> list[str]:
    """Say how results are made: one comment a line."""
    versions = [f"python {platform.python_version()}"]
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{package} {importlib.metadata.version(package)}")
    return [
        f"command: {command}",
        f"commit: {_commit()}",
        f"encoder: {ENCODER_VERSION}",
        f"date: {datetime.now(timezone.utc):%Y-%m-%d}",
        f"cpu: {_cpu_model()}",
        f"cores: {os.cpu_count()}",
        f"versions: {', '.join(versions)}",
    ]


def command_line(module: str, argv: list[str]) -> str:
    """Show the command, with absolute paths reduced to their names: where things lie on a machine says nothing."""
    shown = [Path(argument).name if Path(argument).is_absolute() else argument for argument in argv]
    return shlex.join(["python", "-m", module, *shown])


def _commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        commit, status = git("rev-parse", "--short=12", "HEAD"), git("status", "--porcelain", "--", *_SOURCES)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+changes" if status else "")


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
