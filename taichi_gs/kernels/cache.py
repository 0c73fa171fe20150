"""Where compiled kernels are kept between processes, and how damage to them is noticed."""

import contextlib
import hashlib
import os
import time
from pathlib import Path

INDEX = "ticache.tcb"
"""Taichi's list of what is in its cache. It believes whatever is in there."""

DIGEST = "ticache.sha256"
"""Ours, of that file as Taichi wrote it."""

STALE_SECONDS = 60
"""Taichi locks its cache for a moment, at the beginning and at the end of a process."""


def open_cache() -> Path | None:
    """Return the folder of the cache, its contents checked, or None where nothing can be kept."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # then the variable is to be ignored, says the XDG specification
        base = Path(os.path.expanduser("~")) / ".cache"
    folder = base / "taichi_gs" / "kernels"
    try:
        # Whoever could write in there could run code as this user.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix" and folder.stat().st_mode & 0o022:
            folder.chmod(0o700)
        _drop_stale_lock(folder / "ticache.lock")
        if not _is_intact(folder):
            for path in folder.iterdir():
                path.unlink()
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def seal_cache(folder: Path) -> None:
    """Remember what Taichi has written to the cache."""
    with contextlib.suppress(OSError):
        temporary = folder / f"{DIGEST}.{os.getpid()}"
        temporary.write_bytes(_digest(folder / INDEX))
        temporary.replace(folder / DIGEST)


def _is_intact(folder: Path) -> bool:
    """Whether the list is as it was written. Another process may be between writing it and writing its digest."""
    if not (folder / INDEX).exists():
        return True
    for _ in range(10):
        with contextlib.suppress(OSError):
            if (folder / DIGEST).read_bytes() == _digest(folder / INDEX):
                return True
        time.sleep(0.05)
    return False


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).hexdigest().encode()


def _drop_stale_lock(path: Path) -> None:
    """Delete the lock of a process that was killed at its end: it would keep all others from the cache for good."""
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > STALE_SECONDS:
            path.unlink()
