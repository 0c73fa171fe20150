"""The files of `v2/`, in the order of its table of contents.

`serialize` writes them, but for what it never does: odd tails, and codebooks out of order.
"""

from __future__ import annotations

from conformance.pictures import Case
from conformance.valid_in_both import OUT_OF_ORDER, as_it_stands, both_versions, out_of_order
from conformance.valid_in_version_2 import concentrations, flags, pictures_of_version_2
from conformance.valid_with_tails import files_with_tails

from taichi_gs.format.bitstream import serialize


def files_of_version_2() -> list[Case]:
    """Return the files of `v2/`."""
    plain = [Case(name, about, serialize(quantized)) for name, (about, quantized) in both_versions().items()]
    return [
        *plain,
        Case(*OUT_OF_ORDER, as_it_stands(out_of_order())),
        *concentrations(),
        *flags(),
        *pictures_of_version_2(),
        *files_with_tails(),
    ]
