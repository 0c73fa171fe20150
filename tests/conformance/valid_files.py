"""The files of `valid/`, in the order of its table of contents.

`serialize` writes them, but for what it never does: odd chunks, codebooks out of order, and roundabout codes.
"""

from __future__ import annotations

from conformance.pictures import Case
from conformance.valid_chunks import checksums, files_with_chunks
from conformance.valid_lattices import lattices, roundabout_subdivision
from conformance.valid_payloads import concentrations, ends, flags, most_for_a_payload, out_of_order, quantizers
from conformance.valid_pictures import grains, pictures

from taichi_gs.format.bitstream import serialize


def valid_files() -> list[Case]:
    """Return the files of `valid/`."""
    plain = pictures() | quantizers() | lattices() | grains() | ends()
    return [
        *(Case(name, about, serialize(quantized)) for name, (about, quantized) in plain.items()),
        out_of_order(),
        most_for_a_payload(),
        roundabout_subdivision(),
        *concentrations(),
        *flags(),
        *files_with_chunks(),
        *checksums(),
    ]
