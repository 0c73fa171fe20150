"""Damaged files and bytes of any kind: what is read from them is valid, or they are refused."""

from __future__ import annotations

import numpy as np
import pytest
from conformance.raw import RawFile, with_checksum, without_checksum
from example_files import FILE, FILE_WITH_CHUNKS, FULL_FILE, GRAY_ALPHA_FILE, GRAY_FILE
from golden_files import GOLDEN_FILE, GOLDEN_GRAY_FILE
from hypothesis import given, settings
from hypothesis import strategies as st

from taichi_gs.errors import BitstreamError, TgsError
from taichi_gs.format.bitstream import SIGNATURE, parse, parse_header, serialize
from taichi_gs.model.lattice import lattice_of_picture


@pytest.mark.parametrize(
    "data",
    [FILE, FILE_WITH_CHUNKS, FULL_FILE, GOLDEN_FILE, GOLDEN_GRAY_FILE, GRAY_ALPHA_FILE],
    ids=["plain", "chunks", "full", "golden", "golden gray", "gray and alpha"],
)
def test_every_truncation_raises(data: bytes) -> None:
    for length in range(len(data)):
        with pytest.raises(BitstreamError):
            parse(data[:length])


@pytest.mark.parametrize("data", [GOLDEN_FILE, GOLDEN_GRAY_FILE], ids=["golden", "golden gray"])
def test_every_bit_flip_raises(data: bytes) -> None:
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError):
            parse(bytes(damaged))


@given(st.binary(min_size=1, max_size=20))
def test_trailing_bytes_raise(garbage: bytes) -> None:
    with pytest.raises(BitstreamError):
        parse(FILE + garbage)


@pytest.mark.parametrize("data", [FILE, GOLDEN_FILE], ids=["plain", "golden"])
def test_every_truncation_with_a_good_checksum_is_another_file_or_refused(data: bytes) -> None:
    """Fewer bytes of payload can be those of other symbols."""
    start = parse_header(data).header_bytes
    for length in range(4, len(without_checksum(data))):
        truncated = with_checksum(data[:length])
        if length < start:
            with pytest.raises(BitstreamError):
                parse(truncated)
        else:
            assert_valid_or_refused(truncated)


def assert_valid_or_refused(data: bytes) -> None:
    try:
        picture = parse(data)
    except TgsError:
        return
    rows, columns = picture.grid_size
    assert ((picture.cells >= 0) & (picture.cells < [rows, columns])).all()
    assert len(picture.blending_order()) == len(picture)
    assert ((picture.offsets >= 0) & (picture.offsets < lattice_of_picture(picture).levels)).all()
    for codebook, indices in (
        (picture.covariance_codebook, picture.covariance_indices),
        (picture.color_codebook, picture.color_indices),
    ):
        assert ((indices >= 0) & (indices < len(codebook))).all()
        assert ((codebook.symbols >= 0) & (codebook.symbols < [q.num_levels for q in codebook.quantizers])).all()
        assert (np.diff(codebook.symbols[:, 0]) >= 0).all()
    serialize(picture)


MUTATIONS = st.lists(
    st.tuples(st.integers(3, min(len(FILE), len(GRAY_FILE)) - 5), st.integers(0, 255)), min_size=1, max_size=4
)


@given(st.sampled_from([FILE, FILE_WITH_CHUNKS, FULL_FILE, GRAY_FILE, GRAY_ALPHA_FILE]), MUTATIONS)
@settings(deadline=None, max_examples=250)
def test_mutations_with_a_good_checksum_are_valid_or_refused(data: bytes, mutations: list[tuple[int, int]]) -> None:
    body = bytearray(without_checksum(data))
    for position, value in mutations:
        body[position] = value
    assert_valid_or_refused(with_checksum(bytes(body)))


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_valid_or_refused(data: bytes) -> None:
    assert_valid_or_refused(data)
    for flags in range(16):
        assert_valid_or_refused(with_checksum(SIGNATURE + bytes([0x10 | flags]) + data))


@given(
    st.builds(
        RawFile,
        flags=st.sampled_from([0, 2, 4, 6, 8, 10, 12, 14]),
        size=st.tuples(st.integers(1, 200), st.integers(1, 200)),
        num_gaussians=st.integers(0, 200),
        columns=st.integers(1, 200),
        subdivision_code=st.integers(0, 128),
        codewords=st.tuples(st.integers(1, 30), st.integers(1, 30)),
        payload=st.binary(max_size=100),
    )
)
@settings(max_examples=300, deadline=None)
def test_any_payload_is_valid_or_refused(file: RawFile) -> None:
    assert_valid_or_refused(file.to_bytes())
