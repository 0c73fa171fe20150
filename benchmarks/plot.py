"""The plot of `benchmarks.compare`: means over the pictures, as an SVG file that is the same whenever it is drawn."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.rate import MAX_RATE, MIN_RATE
from benchmarks.rate_results import MEASURES, Results
from benchmarks.tables import Row

STYLE: dict[Any, Any] = {"svg.hashsalt": "taichi_gs", "svg.fonttype": "none", "font.size": 9.0}
_TICKS = (0.03, 0.05, 0.1, 0.2, 0.3, 0.6)
_OURS = ("#c1121f", "#f4845f", "#7f1d1d", "#fcbf49")
_PEERS = ("C7", "C1", "C2", "C0", "C9", "#08306b", "C4", "C5", "C6")
_PUBLISHED = ("C5", "C6", "C7", "C8", "C9", "#5a5a8a", "#222222")
_MARKERS = "sD^vPX<>p"

RATES = tuple(np.geomspace(MIN_RATE, MAX_RATE, 25).tolist())
"""At which other codecs' curves are drawn, where they reach a rate for every picture."""

Points = list[tuple[float, float]]


def draw(results: Results, out: Path) -> None:
    """Draw the measures, PSNR with what is published, over bits per pixel."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(12.5, 5.0), layout="constrained")
        axes = figure.subplots(1, len(MEASURES))
        for axis, measure in zip(axes, MEASURES, strict=True):
            _measured(axis, results, measure.column)
            if measure.column == "psnr":
                _published(axis, results.published)
            axis.set(xscale="log", xlim=(MIN_RATE, MAX_RATE), xlabel="bits per pixel", ylabel=measure.title)
            axis.set_ylim(*_limits(axis))
            axis.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
            axis.minorticks_off()
            axis.grid(alpha=0.25)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})


def _measured(axis: Axes, results: Results, column: str) -> None:
    images = sorted({row["image"] for row in results.peers})
    for (name, table), color in zip(results.ours.items(), _OURS * len(results.ours), strict=False):
        label = name.removesuffix(".tsv").replace("-", ", ", 1)
        _line(axis, [(float(row["bpp"]), float(row[column])) for row in table.means], label, "o", color, 2.2)
    for index, codec in enumerate(results.codecs):
        curves = [results.curve(codec, image, lambda row: float(row[column])) for image in images]
        points: Points = []
        for rate in RATES:
            values = [value for curve in curves if (value := curve.at(rate)) is not None]
            if len(values) == len(curves):
                points.append((rate, statistics.fmean(values)))
        if points:
            _line(axis, points, codec, _MARKERS[index % len(_MARKERS)], _PEERS[index % len(_PEERS)], 1.2)


def _published(axis: Axes, rows: Iterable[Row]) -> None:
    curves: dict[str, Points] = {}
    for row in rows:
        curves.setdefault(row["codec"], []).append((float(row["bpp"]), float(row["psnr"])))
    for index, (codec, points) in enumerate(curves.items()):
        rates, values = zip(*points, strict=True)
        style = ("--", ":", "-.")[index % 3]
        axis.plot(
            rates, values, style, color=_PUBLISHED[index % len(_PUBLISHED)], linewidth=0.9, label=f"{codec}, published"
        )


def _line(axis: Axes, points: Points, label: str, marker: str, color: str, width: float) -> None:
    rates, values = zip(*points, strict=True)
    axis.plot(rates, values, marker=marker, markersize=3.5, color=color, linewidth=width, label=label)


def _limits(axis: Axes) -> tuple[float, float]:
    """What the visible points span, and a little."""
    points = np.concatenate([np.asarray(line.get_data(), dtype=np.float64) for line in axis.lines], axis=1)
    visible = points[1, (points[0] >= MIN_RATE) & (points[0] <= MAX_RATE)].tolist()
    margin = 0.03 * (max(visible) - min(visible))
    return min(visible) - margin, max(visible) + margin
