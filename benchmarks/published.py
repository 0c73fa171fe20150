"""What others have published about Kodak's pictures. Nothing of it was measured here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.provenance import ROOT
from benchmarks.tables import ResultsError

ANCHORS = ROOT / "benchmarks" / "anchors" / "kodak_published.json"
"""The published figures."""

TABLE1_KEY = "zhang2024_table1_per_image"

Points = list[tuple[float, float]]


class PublishedCurve(NamedTuple):
    """Means over Kodak's pictures.

    Attributes:
        source: where it is from.
        points: (bits per pixel, PSNR in dB), by ascending rate.
    """

    source: str
    points: Points


class PublishedTimes(NamedTuple):
    """A row of the paper's Table 2: seconds a picture on its authors' GPU, and the size in thousands, if it has one."""

    seconds_encode: float
    seconds_decode: float
    size: float | None


def read_table1(path: Path = ANCHORS) -> dict[str, Points]:
    """Read rates and PSNRs by picture from {"zhang2024_table1_per_image": {"kodim01": [[bpp, psnr], ...], ...}}.

    Raises:
        ResultsError: if the file does not hold them.
    """
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))[TABLE1_KEY]
        return {image: [(float(rate), float(psnr)) for rate, psnr in points] for image, points in figures.items()}
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise ResultsError(f"{path.name} does not hold published figures under {TABLE1_KEY}") from error


def read_curves(path: Path = ANCHORS) -> dict[str, PublishedCurve]:
    """Read curves by name from {"published": {"JPEG": {"source": ..., "points": [[bpp, psnr], ...]}, ...}}.

    Raises:
        ResultsError: if the file does not hold them.
    """
    try:
        curves = json.loads(path.read_text(encoding="utf-8"))["published"]
        return {name: _curve(curve) for name, curve in curves.items()}
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise ResultsError(f"{path.name} does not hold the published curves") from error


def read_table2() -> dict[str, PublishedTimes]:
    """The rows of the paper's Table 2, by codec."""
    return {name: PublishedTimes(*row) for name, row in _anchors()["zhang2024_table2"].items()}


def read_table3() -> dict[str, float]:
    """The cells of the paper's Table 3, in per cent: `l1`, and `k16` and so on."""
    return {name: float(value) for name, value in _anchors()["zhang2024_table3"].items()}


def _curve(curve: dict[str, Any]) -> PublishedCurve:
    return PublishedCurve(str(curve["source"]), sorted((float(rate), float(psnr)) for rate, psnr in curve["points"]))


def _anchors() -> dict[str, Any]:
    anchors: dict[str, Any] = json.loads(ANCHORS.read_text(encoding="utf-8"))
    return anchors
