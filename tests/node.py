"""Node, if there is one that the browser decoder runs in, and npm."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

MIN_VERSION = 20


def _version_of(node: str | None) -> int:
    if node is None:
        return 0
    done = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60, check=False)
    found = re.match(r"v(\d+)\.", done.stdout)
    return int(found[1]) if found else 0


NODE = shutil.which("node")
NPM = shutil.which("npm")

needs_node = pytest.mark.skipif(_version_of(NODE) < MIN_VERSION, reason=f"there is no node {MIN_VERSION} or later")


def npm(*arguments: str, folder: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    assert NPM is not None
    done = subprocess.run([NPM, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0 or not check, (done.stdout + done.stderr)[-5000:]
    return done


def install_from_registry(*packages: str, probe: str = "", folder: Path) -> None:
    """Install packages in a folder, or skip the test where npm or its registry is missing.

    Whether the registry is there is asked with `probe`, the name of a package and its version: by default the first.
    """
    if NPM is None:
        pytest.skip("there is no npm")
    patience = ["--fetch-retries=1", "--fetch-timeout=20000"]
    if npm("view", probe or packages[0], "version", *patience, folder=folder, check=False).returncode:
        pytest.skip("the registry of npm cannot be reached")
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    npm("install", *quiet, f"--prefix={folder}", *packages, folder=folder)
