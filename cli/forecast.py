"""What to say before a picture is compressed that takes long."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from taichi_gs.encoder.choices import Device, Preset
from taichi_gs.pictures.suffixes import MAX_PIXELS

FAST: Preset = "fast"

MIN_SECONDS = 30.0
"""Who waits for less than that needs no warning."""

MAX_RATIO = 0.75
"""What takes more of the time than this is no advice."""


def forecast(data: bytes, preset: Preset, options: Mapping[str, Any], device: Device) -> str | None:
    """Return how long a picture is expected to take on the CPU, and what would be faster, if it takes long.

    Args:
        data: the picture's file, of which no more is read than its size.
        preset, options, device: as for `taichi_gs.encode`; options that are None are left to the preset.

    Raises:
        OptionError: if an option, or a combination, makes no sense.
        DeviceError: if the device is not available.
    """
    from taichi_gs.encoder.presets import configure
    from taichi_gs.encoder.time_model import TimeModel, starts_on_gpu
    from taichi_gs.pictures.read import size_of

    size = size_of(data, max_pixels=options.get("max_pixels") or MAX_PIXELS)
    if size is None:  # which the encoder will say
        return None
    others = ("max_pixels", "srgb", "preview")
    chosen = {name: value for name, value in options.items() if value is not None and name not in others}
    configs = (configure(each, chosen, preview=bool(options.get("preview"))) for each in (preset, FAST))
    seconds, fast = (TimeModel().expected_seconds(config, math.prod(size)) for config in configs)
    if seconds < MIN_SECONDS or starts_on_gpu(device):
        return None
    if preset != "paper" and fast <= MAX_RATIO * seconds:
        return f"this takes about {_rounded(seconds)}; --preset fast takes about {_rounded(fast)}"
    return f"this takes about {_rounded(seconds)}; fewer --steps or a smaller picture take less"


def _rounded(seconds: float) -> str:
    """A time in words, with as many digits as an estimate has."""
    if seconds < 95:
        return f"{max(round(seconds, -1), 10):.0f} seconds"
    if seconds < 90 * 60:
        return f"{round(seconds / 60):d} minutes"
    return f"{round(seconds / 3600):d} hours"
