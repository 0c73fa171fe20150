"""The ablation: each variation changes what is encoded, and has a row in the committed results."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from numpy.typing import NDArray

import taichi_gs
from benchmarks import ablation
from taichi_gs.encoder.presets import configure
from taichi_gs.fit.fit import Hyperparameters

RESULTS = ROOT / "benchmarks" / "results" / "ablation" / "kodak.tsv"

_LAST = "hyperparameters.quantization_aware."
UNSEARCHED: dict[str, Any] = {
    _LAST + "final_search.positions.rounds": 0,
    _LAST + "final_search.sweeps": 0,
    _LAST + "final_search.codewords": None,
}
FINER: dict[str, Any] = {_LAST + "precision.searched_share": 1.0}

Differences = dict[str, tuple[Any, Any]]


def differences(one: Any, other: Any, name: str = "") -> Differences:
    """The fields in which two dataclasses differ, by the path of their names."""
    if not is_dataclass(one) or not is_dataclass(other):
        return {} if one == other else {name: (one, other)}
    found: Differences = {}
    for field in fields(one):
        found |= differences(getattr(one, field.name), getattr(other, field.name), f"{name}.{field.name}".lstrip("."))
    return found


def changes(variation: str) -> dict[str, Any]:
    """What a variation changes, with the value that it has then."""
    usual = configure("default", {"hyperparameters": Hyperparameters()})
    varied = configure("default", {"hyperparameters": Hyperparameters(), **ablation.VARIATIONS[variation]})
    return {name: value for name, (_, value) in differences(usual, varied).items()}


@pytest.mark.parametrize(
    ("variation", "expected"),
    [
        ("as committed", {}),
        (
            "alpha blending",
            {
                "blending": "alpha",
                "rate_model.position_bits": 9.6,
                "rate_model.min_position_bits": 8.0,
                "rate_model.codeword_bits": 36.0,
            },
        ),
        ("clone and split", {"density": "gradient"}),
        (
            "no Gaussians but the budget's",
            {
                "hyperparameters.unconstrained.overgrowth": 1.0,
                "hyperparameters.unconstrained.sparse_overgrowth": 1.0,
            },
        ),
        (
            "three times the budget's Gaussians",
            {
                "hyperparameters.unconstrained.overgrowth": 3.0,
                "hyperparameters.unconstrained.sparse_overgrowth": 3.0,
            },
        ),
        ("pruned in half the time", {"hyperparameters.clustering.prune_end": 0.35}),
        (
            "half the learning rates",
            {
                "hyperparameters.rates.means": 0.03,
                "hyperparameters.rates.log_covariances": 0.07,
                "hyperparameters.rates.color_codes": 0.0075,
                "hyperparameters.rates.background": 0.0015,
            },
        ),
        (
            "a longer first stage",
            {"hyperparameters.schedule.unconstrained": 0.3, "hyperparameters.schedule.clustering": 0.35},
        ),
        ("hardly any pull", {"hyperparameters.clustering.last_attraction": 0.0031}),
        ("hardly time to settle", {"hyperparameters.schedule.codeword_training": 0.01}),
        ("a bit costs its full price", {"hyperparameters.lagrangian.rate_slope": 0.55}),
        ("no search in the end", UNSEARCHED),
        ("no search, and finer rounding", UNSEARCHED | FINER),
        ("a search, and finer rounding", FINER),
        ("half as many codewords", {"rate_model.codebook_scales": (0.5,)}),
        (
            "codebooks of one size",
            {"rate_model.gaussians_per_covariance": 7.5, "rate_model.gaussians_per_color": 7.5},
        ),
        ("twice as many codewords", {"rate_model.codebook_scales": (2.0,)}),
    ],
)
def test_a_variation_changes_one_choice(variation: str, expected: dict[str, Any]) -> None:
    assert changes(variation) == expected


def test_the_committed_results_have_the_same_variations() -> None:
    lines = [line for line in RESULTS.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert tuple(lines[0].split("\t")) == ablation.COLUMNS
    assert list(dict.fromkeys(line.split("\t")[0] for line in lines[1:])) == list(ablation.VARIATIONS)


def test_variations_change_the_file(picture: NDArray[np.uint8]) -> None:
    """One of each kind: an option, a hyperparameter and the rate model."""

    def encode(variation: str) -> bytes:
        options = ablation.VARIATIONS[variation]
        return taichi_gs.encode(picture, device="cpu", steps=10, bits_per_pixel=6.0, **options)

    usual = encode("as committed")
    assert encode("as committed") == usual
    for variation in ("clone and split", "half the learning rates", "twice as many codewords"):
        assert encode(variation) != usual, variation
