"""Files of `valid/` for how things are coded: quantisers, concentrations, flags, orders, and the ends of payloads."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from conformance.pictures import (
    FRONT_TO_BACK,
    NORMALIZED,
    WHOLE_SHAPES,
    Case,
    Dice,
    gray,
    integers,
    normalized,
    picture,
    random_picture,
    with_grain,
    with_span,
)
from conformance.raw import HAS_CHUNKS, HAS_GRAIN, IS_FRONT_TO_BACK, IS_GRAY, file_of
from conformance.valid_pictures import Pictures

from taichi_gs.format.bitstream import serialize
from taichi_gs.format.payload import encode_payload
from taichi_gs.model.lattice import subdivision_of

CONCENTRATION_SEEDS = (0, 0, 0, 0, 1, 12, 4)
"""What makes the encoder choose each concentration but the last."""

ENDS = {4: (3, 15), 5: (3, 1), 6: (3, 0), 7: (3, 2), 8: (3, 12), 9: (1, 15694)}
"""N, and what makes a payload that is so many bytes shorter than all that a decoder reads."""


def quantizers() -> Pictures:
    """Return the pictures with quantisers of all kinds."""
    wide = (*WHOLE_SHAPES[:1], *FRONT_TO_BACK[1:])
    apart = (24, 12, 36, 12, 36, 12, 36)
    return {
        "step_codes_0": ("the step code 0 of all channels", random_picture(20, spans=wide, steps=(0,) * 7)),
        "step_codes_40": ("the step code 40 of all channels", random_picture(20, steps=(40,) * 7)),
        "step_codes_apart": (
            "step codes 12 below and 12 above that of m",
            random_picture(20, steps=apart, subdivision=subdivision_of(44)),
        ),
        "step_codes_mixed": (
            "step codes that differ in their fractions of octaves",
            normalized(20, steps=(13, 14, 15, 9, 10, 11, 17), subdivision=subdivision_of(44)),
        ),
        "steps_in_lattices": (
            "the step code 40 and a fine subdivision, where lattices depend on every bit",
            normalized(12, steps=(40,) * 7, subdivision=subdivision_of(100), columns=7),
        ),
        "area_code_5": (
            "the area code 5, whose half is added to m: the other half of the range is in use",
            random_picture(20, spans=with_span(0, 0.5, 5.0), area_code=5, subdivision=subdivision_of(44)),
        ),
        "area_code_47": (
            "the largest area code, and values of m from the low end of its range",
            random_picture(8, spans=with_span(0, 7.5, 10.0), area_code=47, subdivision=subdivision_of(44)),
        ),
        "unlikely": (
            "codewords that priors hold for unlikely",
            normalized(8, num_codewords=(8, 8), spans=((5.0, 8.0), (-8.0, -6.0), (6.0, 8.0), *NORMALIZED[3:])),
        ),
        "gray_steps": (
            "five step codes in a gray picture",
            gray(12, steps=(14, 18, 17, 9, 0, 0, 20), spans=NORMALIZED),
        ),
    }


def ends() -> Pictures:
    """Return pictures whose payloads end in all the ways there are."""
    return {
        f"end_{number}": (
            f"a payload without the last {number} of the bytes that are read, which are 0"
            + ("; a carry changes the bytes before" if number >= 8 else ""),
            random_picture(n, (2, 2) if n > 1 else (1, 1), seed=seed),
        )
        for number, (n, seed) in ENDS.items()
    }


def concentrations() -> list[Case]:
    """Return a file for each concentration that a multiset of cells can have."""
    places = [clustered(120, 8, 4.0**code, seed) for code, seed in enumerate(CONCENTRATION_SEEDS)]
    return [
        Case(
            f"concentration_{code}",
            f"cells with the concentration 4^{code}",
            serialize(random_picture(len(cells), cells=cells, image_size=(24, 24), columns=8, seed=code)),
        )
        for code, cells in enumerate([*places, spread(8)])
    ]


def flags() -> list[Case]:
    """Return a file for each combination of flags."""
    cases = []
    for value in range(16):
        is_front_to_back = bool(value & IS_FRONT_TO_BACK)
        make = gray if value & IS_GRAY else normalized
        options = {"blending": "alpha", "spans": FRONT_TO_BACK} if is_front_to_back else {}
        steps = (12, 16, 16, 8, 8, 8, 12 if is_front_to_back else 16)
        shape = {"steps": steps, "area_code": 4, "subdivision": subdivision_of(48), "columns": 5}
        quantized = make(10, **shape, seed=value, **options)
        if value & HAS_GRAIN:
            quantized = with_grain(quantized, (3, 6, 0))
        names = ("chunks", "front to back", "gray", "grain")
        about = ", ".join(name for bit, name in enumerate(names) if value >> bit & 1)
        data = serialize(quantized, {b"note": b"a chunk"} if value & HAS_CHUNKS else {})
        cases.append(Case(f"flags_{value:x}", f"flags: {about or 'none'}", data))
    return cases


def out_of_order() -> Case:
    """A file that an encoder may write and this one would not: codebooks and Gaussians in another order."""
    made = random_picture(12, cells=[(1, 3)] * 3 + [(5, 5)] * 4 + [(6, 2)] * 5, seed=4)
    covariances = [(45, 50, 44), (45, 50, 40), (45, 50, 44), (47, 44, 44), (49, 42, 50), (49, 48, 40)]
    colors = [(16, 16, 8, 31), (20, 16, 20, 9), (20, 16, 8, 25), (20, 16, 8, 25), (30, 12, 16, 16)]
    quantized = replace(
        made,
        covariance_codebook=replace(made.covariance_codebook, symbols=integers(covariances, 3)),
        covariance_indices=np.array([5, 0, 3, 2, 0, 4, 1, 1, 1, 0, 5, 2]),
        color_codebook=replace(made.color_codebook, symbols=integers(colors, 4)),
        color_indices=np.array([3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0]),
    )
    data = file_of(
        flags=IS_FRONT_TO_BACK,
        size=quantized.image_size[::-1],
        num_gaussians=len(quantized),
        columns=quantized.grid_size[1],
        codewords=(len(covariances), len(colors)),
        payload=encode_payload(quantized),
    )
    about = "codewords unused, equal, or sorted by two channels only; Gaussians of a cell in any order"
    return Case("out_of_order", about, data)


def most_for_a_payload() -> Case:
    """As many Gaussians as there can be with as small a payload as there can be."""
    one = picture([(0, 0)], [(8, 0, 0)], [(0.5, 0, 0, 0)], image_size=(2, 3), columns=1)
    payload = encode_payload(one)
    number = 4096 + 64 * len(payload)
    data = file_of(flags=IS_FRONT_TO_BACK, num_gaussians=number, columns=1, payload=payload)
    return Case("most_for_a_payload", f"{number} Gaussians in {len(payload)} bytes, the most there can be", data)


def clustered(num_points: int, side: int, concentration: float, seed: int) -> list[tuple[int, int]]:
    """Cells of a square grid such that the shares of halves vary as beta distributions do with this concentration."""
    dice = Dice(seed)
    deviation = 0.5 / math.sqrt(concentration + 1)
    shares: dict[tuple[int, ...], float] = {}

    def cell() -> tuple[int, int]:
        place = [0, 0]
        path: tuple[int, ...] = ()
        for level in range(2 * (side.bit_length() - 1)):
            if path not in shares:
                shares[path] = 0.5 + deviation * (1 - 2 * dice.below(2))
            is_right = int(dice.random() >= shares[path])
            path += (is_right,)
            place[1 - level % 2] = 2 * place[1 - level % 2] + is_right
        return place[0], place[1]

    return [cell() for _ in range(num_points)]


def spread(side: int) -> list[tuple[int, int]]:
    """Every cell of a square grid once."""
    return [(row, column) for row in range(side) for column in range(side)]
