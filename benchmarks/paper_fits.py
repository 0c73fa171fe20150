"""Measure what stands in the paper's Tables 1 and 3: this codec at the paper's rates, as it is and with one change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import kodak
from benchmarks.kodak import COLUMNS, PUBLISHED_COLUMNS, table1_tasks
from benchmarks.provenance import provenance
from benchmarks.tables import Table, settings_comment
from taichi_gs.fit.fit import Hyperparameters

PAPER: dict[str, Any] = {"preset": "paper"}
DEFAULT: dict[str, Any] = {"preset": "default", "tune": "psnr"}


def _without_density_control() -> Hyperparameters:
    """All Gaussians are there from the start, and none is cloned, split or removed for being transparent."""
    usual = Hyperparameters()
    growth = replace(usual.unconstrained.clone_and_split, initial_fraction=1.0, num_events=0)
    return replace(usual, unconstrained=replace(usual.unconstrained, clone_and_split=growth))


VARIATIONS: Mapping[str, Mapping[str, Any]] = {
    "l1": {"loss": "l1"},
    "k16": {"k": 16},
    "k32": {"k": 32},
    "k64": {"k": 64},
    "k128": {"k": 128},
    "no-density-control": {"hyperparameters": _without_density_control()},
}
"""What Table 3 changes in the preset `paper`: options of `encode` by names that are part of the files' names."""


def run_table1(paths: list[Path], output: Path, command: str, steps: int | None, jobs: int) -> None:
    """Write `table1-paper.tsv` and `table1-default-psnr.tsv`, or go on with them."""
    for name, options in (("table1-paper.tsv", PAPER), ("table1-default-psnr.tsv", DEFAULT)):
        _run(paths, output / name, command, with_steps(options, steps), jobs)


def run_table3(paths: list[Path], output: Path, command: str, steps: int | None, jobs: int) -> None:
    """Write `table3-NAME.tsv` for each variation, or go on with them. They compare with `table1-paper.tsv`."""
    for name, changes in VARIATIONS.items():
        _run(paths, output / f"table3-{name}.tsv", command, with_steps({**PAPER, **changes}, steps), jobs)


def with_steps(options: dict[str, Any], steps: int | None) -> dict[str, Any]:
    """Options of `encode` with so many steps, for a trial; None is the preset's own number."""
    return options if steps is None else {**options, "steps": steps}


def _run(paths: list[Path], out: Path, command: str, options: dict[str, Any], jobs: int) -> None:
    shown = {name: value for name, value in options.items() if name != "hyperparameters"}
    settings = {**shown, "table1": True, "jobs": jobs, "what": out.stem}
    empty = Table((*provenance(command), settings_comment(settings)), COLUMNS + PUBLISHED_COLUMNS, ())
    kodak.measure_all(table1_tasks(paths, options), empty, out, resume=True)
