"""Node, if there is one that the browser decoder runs in."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

MIN_VERSION = 20


def _version_of(node: str | None) -> int:
    if node is None:
        return 0
    done = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60, check=False)
    found = re.match(r"v(\d+)\.", done.stdout)
    return int(found[1]) if found else 0


NODE = shutil.which("node")

needs_node = pytest.mark.skipif(_version_of(NODE) < MIN_VERSION, reason=f"there is no node {MIN_VERSION} or later")
