"""What training sees of a file, against what the reference decoder makes of the file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference_decoder
import torch
from quantized_pictures import assert_same
from small_fits import SIZE, clustered, config_of, renderer

from taichi_gs.fit.parameters import CODED
from taichi_gs.fit.precision import Precision
from taichi_gs.fit.prune import rows_within_size
from taichi_gs.format.bitstream import serialize
from taichi_gs.model.blending import Blending


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
@pytest.mark.parametrize(
    ("num_gaussians", "k", "options"),
    [
        (40, 10, {}),
        (60, 20, {"max_bytes": 300}),
        (30, 10, {"position_bits": 6, "covariance_bits": (8,) * 3, "color_bits": (8,) * 4}),
        (60, 8, {"position_bits": 10, "covariance_bits": (10,) * 3, "color_bits": (10,) * 4, "max_bytes": 200}),
        (60, 60, {"position_bits": 3, "covariance_bits": (2,) * 3, "color_bits": (2,) * 4}),
    ],
)
def test_what_training_sees_is_what_a_decoder_sees(
    num_gaussians: int, k: int, options: dict[str, Any], blending: Blending
) -> None:
    stage, coded, _ = clustered(config_of(num_gaussians, k, blending=blending, **options), 5)
    limit = options.get("max_bytes")
    rounding = Precision().choose(stage, coded, limit)
    if limit is not None:
        coded = coded.with_rows(rows_within_size(coded, rounding, stage.objective, limit))
    quantized, drawn = rounding.integers(coded), rounding.rounded(coded)
    image = renderer().render(drawn.splats(SIZE, SIZE), SIZE).detach().cpu().numpy().transpose(1, 2, 0)
    data = serialize(quantized)
    assert len(data) == rounding.num_bytes(coded)
    expected = reference_decoder.decode(data)
    assert float(np.abs(255 * image.clip(0, 1) - expected).max()) < 1.51  # half a level is the decoder's rounding
    assert_same(quantized, quantized.canonical())

    # The positions in training are those of the file.
    symbols = reference_decoder.decode_symbols(data)
    positions = np.array([reference_decoder.position(symbols, gaussian) for gaussian in range(len(quantized))])
    means = drawn.means.detach().cpu().numpy()
    assert means.shape == positions.shape
    distances = np.abs(means[:, None] - positions).max(axis=2)
    assert max(distances.min(axis=0).max(), distances.min(axis=1).max()) < 1e-4
    # Without a fixed number of bits they stand on lattices in the cells.
    assert (quantized.subdivision > 0) == ("position_bits" not in options)
    assert bool(quantized.offsets.any()) == (quantized.subdivision > 0)


def test_a_lattice_can_be_used_again() -> None:
    """That of the same codewords: positions are found anew, and are the same."""
    stage, coded, _ = clustered(config_of(30, 6, blending="alpha"), 2)
    rounding = Precision().choose(stage, coded, None)
    again, anew = rounding.rounded(coded, rounding.lattice(coded)), rounding.rounded(coded)
    for name in ("means", *CODED, "order"):
        assert torch.equal(getattr(again, name), getattr(anew, name))
