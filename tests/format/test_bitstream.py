"""The .tgs format: exact round trips, one error for each thing that can be wrong, nothing else on any bytes at all."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import reference_decoder
from hypothesis import given, settings
from hypothesis import strategies as st
from quantized_pictures import PICTURES, assert_same, gray_picture, quantized_picture

from taichi_gs.decoder.decode import decode_bytes
from taichi_gs.errors import BitstreamError, LimitError, TgsError
from taichi_gs.format.bitstream import SIGNATURE, parse, parse_header, serialize
from taichi_gs.format.limits import Limits
from taichi_gs.model.lattice import lattice_of_picture
from taichi_gs.model.quantized import QuantizedCodebook, QuantizedGaussians, UniformQuantizer

PICTURE = quantized_picture()
FILE = serialize(PICTURE)
TAIL = {b"ICCP": b"a profile", b"EXIF": b"", b"note": b"of no interest"}
FILE_WITH_TAIL = serialize(PICTURE, TAIL)
FULL_PICTURE = quantized_picture(blending="normalized", subdivision=40, grid_size=(5, 7))
FULL_FILE = serialize(FULL_PICTURE, TAIL)
"""A file with all flags but gray."""

GRAY_PICTURE = gray_picture(bits=4)
GRAY_FILE = serialize(GRAY_PICTURE)
ALPHA = serialize(gray_picture(num_gaussians=20, bits=4, seed=5))
GRAY_ALPHA_FILE = serialize(GRAY_PICTURE, {**TAIL, b"ALPH": ALPHA})
ALPHA_FILE = serialize(FULL_PICTURE, {b"ALPH": ALPHA})

GOLDEN_FILE = bytes.fromhex(
    "895447530d0a1a0a010008060c100c0303f1a0af3333330300bc003000c4003000c4003000b8003000b8003000b8003000c4"
    "0030099521f21edd879fdff3467ada52a3e39aa91f3997e0471f988a6dcb"
)
"""The file of `golden_picture` in version 1. If it no longer decodes, files in other people's hands do not either."""

GOLDEN_FILE_2 = bytes.fromhex(
    "895447530d0a1a0a0206503c0604032803020102034444440400bc003800c0003800c0003800b8003800b8003800b8003800"
    "c00034ff49aeffb0e053e3623b3193ab0b143f75494686e1d5681c"
)
"""The file of `golden_picture_2`, in version 2."""


GOLDEN_GRAY_FILE = bytes.fromhex(
    "895447530d0a1a0a020f503c060403280302074444000400bc003800c0003800c0003800b8003800c0003410c57faeff884b"
    "5cb12f7fe225a632b3de414c504837000000895447530d0a1a0a020e503c020403280201074444000400bc003800c0003800"
    "c0003800b8003800c00034fa709fffd056f260ddd6ac8d584d505f0e00000078dab3a9c82dd0b70300076601ff09d23a2c"
)
"""The file of `golden_gray_picture`, in version 2, with two of its Gaussians as alpha, and with "<xmp/>" as XMP."""


def golden_picture() -> QuantizedGaussians:
    cells = [(0, 7), (2, 0), (3, 4), (3, 5), (3, 11), (3, 15), (5, 13), (9, 1), (9, 2), (9, 13), (10, 9), (10, 14)]
    minimums = [-1.0, -4.0, -4.0, -0.5, -0.5, -0.5, -4.0]
    quantizers = tuple(UniformQuantizer(minimum, 0.125, 3) for minimum in minimums)
    return QuantizedGaussians(
        image_size=(6, 8),
        background=np.array([241, 160, 175], dtype=np.uint8),
        blending="alpha",
        grid_size=(12, 16),
        cells=np.array(cells),
        subdivision=0,
        offsets=np.zeros((12, 2), dtype=np.int64),
        covariance_codebook=QuantizedCodebook(np.array([[3, 3, 4], [4, 4, 4], [7, 6, 6]]), quantizers[:3]),
        covariance_indices=np.array([0, 1, 2, 1, 0, 0, 2, 0, 2, 1, 2, 1]),
        color_codebook=QuantizedCodebook(np.array([[3, 0, 1, 4], [6, 5, 3, 4], [7, 3, 6, 7]]), quantizers[3:]),
        color_indices=np.array([0, 2, 0, 1, 1, 0, 1, 0, 0, 2, 0, 1]),
    )


def golden_picture_2() -> QuantizedGaussians:
    """A normalised picture; lattices of (4, 4), (5, 4), (5, 1), (1, 1), (21, 21) and (29, 3) rows and columns."""
    minimums = [-1.0, -2.0, -2.0, -0.5, -0.5, -0.5]
    quantizers = (*(UniformQuantizer(minimum, 0.5, 4) for minimum in minimums), UniformQuantizer(-2.0, 0.25, 4))
    return QuantizedGaussians(
        image_size=(60, 80),
        background=np.array([1, 2, 3], dtype=np.uint8),
        blending="normalized",
        grid_size=(3, 4),
        cells=np.array([(0, 0), (0, 0), (0, 3), (1, 2), (2, 1), (2, 3)]),
        subdivision=40,
        offsets=np.array([(3, 1), (4, 2), (4, 0), (0, 0), (20, 19), (28, 1)]),
        covariance_codebook=QuantizedCodebook(np.array([[0, 4, 4], [4, 8, 2], [8, 0, 7]]), quantizers[:3]),
        covariance_indices=np.array([0, 2, 1, 2, 0, 1]),
        color_codebook=QuantizedCodebook(np.array([[1, 2, 3, 8], [2, 1, 1, 15]]), quantizers[3:]),
        color_indices=np.array([0, 1, 0, 0, 1, 1]),
    )


def tail_of(tag: bytes, content: bytes) -> bytes:
    """What follows the ranges in a file without a payload: the payload's length and one chunk."""
    return b"\0" + tag + struct.pack("<I", len(content)) + content


def golden_gray_picture(kept: slice) -> QuantizedGaussians:
    """Those Gaussians of `golden_picture_2` without chroma, over a dark gray."""
    picture = golden_picture_2()
    symbols, quantizers = picture.color_codebook.symbols.copy(), picture.color_codebook.quantizers
    symbols[:, 1:3], none = 0, UniformQuantizer(0.0, 0.0, 0)
    return replace(
        picture,
        background=np.array([7, 7, 7], dtype=np.uint8),
        cells=picture.cells[kept],
        offsets=picture.offsets[kept],
        covariance_indices=picture.covariance_indices[kept],
        color_codebook=QuantizedCodebook(symbols, (quantizers[0], none, none, quantizers[3])),
        color_indices=picture.color_indices[kept],
        is_gray=True,
    ).canonical()


def with_checksum(body: bytes) -> bytes:
    return body + struct.pack("<I", zlib.crc32(body))


def file_of(
    numbers: Sequence[int] = (3, 2, 0, 5, 4, 0, 0),
    flags: int = 0,
    bits: int = 0,
    ranges: Sequence[float] = (0.0, 1.0) * 7,
    rest: bytes = b"",
    version: int = 2,
) -> bytes:
    """A file with a valid checksum, by default a background of 3 x 2 pixels and nothing else.

    `numbers` are width, height, N, columns, rows, the subdivision if flagged, and the two numbers of codewords, below
    2**14; `rest` is all that follows the ranges.
    """
    varints = b"".join(bytes([n]) if n < 128 else bytes([n & 127 | 128, n >> 7]) for n in numbers)
    header = SIGNATURE + bytes([version, flags]) + varints + bytes([1, 2, 3] if not flags & 8 else [1])
    return with_checksum(header + struct.pack(f"<I{len(ranges)}e", bits, *ranges) + rest)


@given(PICTURES)
@settings(deadline=None, max_examples=60)
def test_round_trip(picture: QuantizedGaussians) -> None:
    assert_same(parse(serialize(picture)), picture.canonical())


@given(PICTURES)
@settings(deadline=None, max_examples=25)
def test_the_reference_decoder_reads_the_same(picture: QuantizedGaussians) -> None:
    data = serialize(picture)
    symbols, parsed = reference_decoder.decode_symbols(data), parse(data)
    assert symbols["image_size"] == parsed.image_size
    assert symbols["grid_size"] == parsed.grid_size
    assert symbols["background"] == parsed.background.tolist()
    assert (symbols["blending"], symbols["subdivision"]) == (parsed.blending, parsed.subdivision)
    for name in ("cells", "offsets"):
        assert symbols[name] == list(map(tuple, getattr(parsed, name).tolist()))
    lattice = lattice_of_picture(parsed)
    assert symbols["lattices"] == list(zip(*lattice.levels.T[::-1].tolist(), lattice.shears.tolist(), strict=True))
    for name in ("covariance", "color"):
        assert symbols[f"{name}_indices"] == getattr(parsed, f"{name}_indices").tolist()
        codebook = getattr(parsed, f"{name}_codebook")
        assert symbols[f"{name}_symbols"].tolist() == codebook.symbols.tolist()
        expected = [
            q.minimum + q.step * column for q, column in zip(codebook.quantizers, codebook.symbols.T, strict=True)
        ]
        np.testing.assert_array_equal(symbols[f"{name}_values"], np.array(expected).T)


def test_the_reference_decoder_draws_a_picture() -> None:
    picture = reference_decoder.decode(FILE)
    assert picture.shape == (24, 32, 3)
    assert picture.std() > 0
    background_only = reference_decoder.decode(file_of())
    assert (background_only == [1, 2, 3]).all()
    assert background_only.shape == (2, 3, 3)


def test_the_reference_renderer_by_hand() -> None:
    covariance = np.array([[4.0, 1.0], [1.0, 2.0]])
    values, vectors = np.linalg.eigh(covariance)
    logarithm = vectors @ np.diag(np.log(values)) @ vectors.T
    m, v = (logarithm[0, 0] + logarithm[1, 1]) / 2, logarithm[0, 1]
    picture = reference_decoder.render(
        means=[[1.5, 1.0], [2.5, 0.5]],
        log_covariances=[[m, logarithm[0, 0] - m, v], [0.0, 0.0, 0.0]],
        colors=[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]],
        amplitudes=[0.5, 0.8],
        background=[0.1, 0.2, 0.3],
        image_size=(2, 4),
    )
    distance = np.array([1.0, -0.5])
    alpha = 0.5 * np.exp(-0.5 * distance @ np.linalg.inv(covariance) @ distance)
    expected = alpha * np.array([1, 0, 0.5]) + (1 - alpha) * (
        0.8 * np.array([0, 1, 0]) + 0.2 * np.array([0.1, 0.2, 0.3])
    )
    np.testing.assert_allclose(picture[0, 2], expected, rtol=1e-12)


def test_the_reference_renderer_by_hand_normalized() -> None:
    # At the only pixel 2 and 3 exp(-1/2), less 1/64, and one below 1/64 that does not count.
    picture = reference_decoder.render(
        means=[[0.5, 0.5], [0.5, 1.5], [0.5, 3.5]],
        log_covariances=[[0.0, 0.0, 0.0]] * 3,
        colors=[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0], [9.0, 9.0, 9.0]],
        amplitudes=[2.0, 3.0, 1.4],
        background=[0.1, 0.2, 0.3],
        image_size=(1, 1),
        blending="normalized",
    )
    first, second = 2 - 1 / 64, 3 * np.exp(-0.5) - 1 / 64
    expected = np.array([first + 0.1 / 16, second + 0.2 / 16, first / 2 + 0.3 / 16]) / (first + second + 1 / 16)
    np.testing.assert_allclose(picture[0, 0], expected, rtol=1e-12)


def test_golden_files() -> None:
    assert_same(parse(GOLDEN_FILE), golden_picture())
    assert_same(parse(GOLDEN_FILE_2), golden_picture_2())
    assert serialize(golden_picture_2()) == GOLDEN_FILE_2
    assert_same(parse(GOLDEN_GRAY_FILE), golden_gray_picture(slice(None)))
    tail = parse_header(GOLDEN_GRAY_FILE).tail
    assert_same(parse(tail[b"ALPH"]), golden_gray_picture(slice(0, None, 3)))
    assert tail[b"XMP_"] == b"<xmp/>"


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (FULL_FILE, (24, 32, 3)),
        (GOLDEN_FILE_2, (60, 80, 3)),
        (GRAY_FILE, (24, 32)),
        (GRAY_ALPHA_FILE, (24, 32, 2)),
        (ALPHA_FILE, (24, 32, 4)),
    ],
    ids=["all flags", "golden 2", "gray", "gray and alpha", "alpha"],
)
def test_files_of_version_2_have_the_references_pixels(data: bytes, shape: tuple[int, ...]) -> None:
    expected, decoded = reference_decoder.decode(data).astype(int), decode_bytes(data)
    assert expected.std() > 10
    assert expected.shape == decoded.shape == shape
    assert np.abs(decoded - expected).max() <= 1


def test_gray_files() -> None:
    as_color = serialize(replace(GRAY_PICTURE, is_gray=False))
    assert len(GRAY_FILE) == len(as_color) - 10
    assert_same(parse(GRAY_FILE), GRAY_PICTURE.canonical())
    np.testing.assert_array_equal(decode_bytes(as_color), np.repeat(decode_bytes(GRAY_FILE)[:, :, None], 3, axis=2))
    assert [parse_header(data).mode for data in (GRAY_FILE, GRAY_ALPHA_FILE, ALPHA_FILE, FULL_FILE)] == [
        *("L", "LA", "RGBA", "RGB")
    ]


def test_alpha_is_a_picture_of_its_own() -> None:
    np.testing.assert_array_equal(decode_bytes(ALPHA_FILE)[:, :, 3], decode_bytes(ALPHA))
    np.testing.assert_array_equal(decode_bytes(ALPHA_FILE)[:, :, :3], decode_bytes(FULL_FILE))


def test_metadata_are_compressed() -> None:
    profile = b"a profile " * 1000
    data = serialize(PICTURE, {b"ICCP": profile})
    assert len(data) < len(FILE) + 100
    assert parse_header(data).tail[b"ICCP"] == reference_decoder.decode_symbols(data)["tail"][b"ICCP"] == profile
    with pytest.raises(LimitError, match="larger than the 9999 bytes"):
        parse_header(data, Limits(max_tail=len(profile) - 1))
    assert parse_header(data, Limits(max_tail=len(profile))).tail[b"ICCP"] == profile
    old = file_of(flags=1, rest=b"\0ICCP\3\0\0\0abc", version=1)
    assert parse_header(old).tail[b"ICCP"] == reference_decoder.decode_symbols(old)["tail"][b"ICCP"] == b"abc"


@pytest.mark.parametrize(
    "picture",
    [
        quantized_picture(num_gaussians=0),
        quantized_picture(num_gaussians=1, num_codewords=1, image_size=(1, 1), grid_size=(1, 1)),
        quantized_picture(num_gaussians=3000, num_codewords=1, bits=0, grid_size=(1, 1)),
        quantized_picture(num_gaussians=500, grid_size=(3, 2)),
        quantized_picture(num_gaussians=3, image_size=(65535, 1), grid_size=(65535, 65535)),
        quantized_picture(num_gaussians=2000, num_codewords=300, bits=4),
        quantized_picture(num_gaussians=0, blending="normalized", subdivision=9),
        quantized_picture(num_gaussians=300, blending="normalized", subdivision=65535, grid_size=(1, 1)),
        quantized_picture(num_gaussians=300, blending="alpha", subdivision=65535, grid_size=(65535, 1)),
    ],
    ids=[
        *("nothing", "one", "all alike", "crowded", "vast", "codewords of four bits"),
        *("nothing subdivided", "one cell subdivided", "narrow cells subdivided"),
    ],
)
def test_extremes(picture: QuantizedGaussians) -> None:
    assert_same(parse(serialize(picture)), picture.canonical())


def test_twelve_bits_and_no_bits_side_by_side() -> None:
    quantizers = tuple(UniformQuantizer(-1.0, 2.0**-8, bits) for bits in (12, 0, 1, 12))
    symbols = np.array([[4095, 0, 1, 0], [0, 0, 0, 4095]])
    picture = replace(PICTURE, color_codebook=QuantizedCodebook(symbols, quantizers), color_indices=np.arange(50) % 2)
    assert_same(parse(serialize(picture)), picture.canonical())


def test_header() -> None:
    header = parse_header(FILE_WITH_TAIL)
    assert (header.version, header.image_size, header.grid_size) == (2, (24, 32), (48, 64))
    assert (header.blending, header.subdivision) == ("alpha", 0)
    assert header.num_gaussians == 50
    assert header.background == tuple(PICTURE.background.tolist())
    canonical = PICTURE.canonical()
    assert header.num_covariance_codewords == len(canonical.covariance_codebook)
    assert header.num_color_codewords == len(canonical.color_codebook)
    assert header.covariance_quantizers == PICTURE.covariance_codebook.quantizers
    assert header.color_quantizers == PICTURE.color_codebook.quantizers
    assert dict(header.tail) == TAIL
    plain = parse_header(FILE)
    assert plain.header_bytes + plain.payload_bytes + 4 == len(FILE)
    assert dict(plain.tail) == {}
    assert_same(parse(FILE_WITH_TAIL), parse(FILE))
    full = parse_header(FULL_FILE)
    assert (full.blending, full.subdivision, full.grid_size, dict(full.tail)) == ("normalized", 40, (5, 7), TAIL)
    assert parse_header(GOLDEN_FILE).version == 1


@pytest.mark.parametrize(
    "data",
    [FILE, FILE_WITH_TAIL, FULL_FILE, GOLDEN_FILE, GOLDEN_FILE_2, GRAY_ALPHA_FILE],
    ids=["plain", "tail", "all flags", "golden", "golden 2", "gray and alpha"],
)
def test_every_truncation_raises(data: bytes) -> None:
    for length in range(len(data)):
        with pytest.raises(BitstreamError):
            parse(data[:length])


@pytest.mark.parametrize("data", [GOLDEN_FILE, GOLDEN_FILE_2], ids=["golden", "golden 2"])
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


@pytest.mark.parametrize("data", [FILE, GOLDEN_FILE_2], ids=["plain", "golden 2"])
def test_every_truncation_with_a_good_checksum_raises(data: bytes) -> None:
    for length in range(10, len(data) - 4):
        with pytest.raises(BitstreamError):
            parse(with_checksum(data[:length]))


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
    st.tuples(st.integers(10, min(len(FILE), len(GRAY_FILE)) - 5), st.integers(0, 255)), min_size=1, max_size=4
)


@given(st.sampled_from([FILE, FILE_WITH_TAIL, FULL_FILE, GRAY_FILE, GRAY_ALPHA_FILE]), MUTATIONS)
@settings(deadline=None, max_examples=250)
def test_mutations_with_a_good_checksum_are_valid_or_refused(data: bytes, mutations: list[tuple[int, int]]) -> None:
    body = bytearray(data[:-4])
    for position, value in mutations:
        body[position] = value
    assert_valid_or_refused(with_checksum(bytes(body)))


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_valid_or_refused(data: bytes) -> None:
    assert_valid_or_refused(data)
    assert_valid_or_refused(with_checksum(SIGNATURE + b"\1" + data))
    assert_valid_or_refused(with_checksum(SIGNATURE + b"\2" + data))


@given(st.lists(st.integers(0, 200), min_size=8, max_size=8), st.sampled_from([0, 2, 4, 6]), st.binary(max_size=100))
@settings(max_examples=300, deadline=None)
def test_any_payload_is_valid_or_refused(numbers: list[int], flags: int, payload: bytes) -> None:
    ranges = (-1.0, 0.125) * 7
    assert_valid_or_refused(file_of(numbers if flags & 4 else numbers[1:], flags, 0x5544433, ranges, payload))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (SIGNATURE[:5], "truncated"),
        (b"\x1f\x8b\x08\x00", "Telegram animated sticker"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"something else", r"not a \.tgs file of Gaussians\.$"),
        (SIGNATURE + b"\3" + FILE[9:], "version 3 of the format, and only 1 and 2"),
        (FILE[:-1], "checksum"),
        (file_of(flags=16), "reserved flags 0x10"),
        (file_of(flags=8, version=1), "reserved flags 0x08"),
        (file_of(flags=8, bits=1 << 16, ranges=(0.0, 1.0) * 5), "channel 4 of colour has 1 bits"),
        (file_of(flags=3, version=1), "reserved flags 0x02"),
        (file_of(flags=4, version=1), "reserved flags 0x04"),
        (file_of((3, 2, 0, 5, 4, 0, 0, 0), flags=4), "the subdivision 0"),
        (with_checksum(SIGNATURE + b"\2\4\3\2\0\5\4\x80\x80\4" + b"\0" * 40), "the subdivision 65536"),
        (with_checksum(SIGNATURE + b"\1\0\3"), "truncated"),
        (with_checksum(SIGNATURE + b"\1\0" + b"\xff" * 9), "shortest form"),
        (with_checksum(SIGNATURE + b"\1\0" + b"\x83\0" + b"\1" * 60), "shortest form"),
        (file_of((0, 2, 0, 5, 4, 0, 0)), "no pixels of width"),
        (file_of((3, 0, 0, 5, 4, 0, 0)), "no pixels of height"),
        (file_of((3, 2, 0, 0, 4, 0, 0)), "no columns"),
        (file_of((3, 2, 0, 5, 0, 0, 0)), "no rows"),
        (file_of((3, 2, 1, 5, 4, 0, 1)), "0 codewords for 1 Gaussians"),
        (file_of((3, 2, 0, 5, 4, 1, 0)), "1 codewords for 0 Gaussians"),
        (file_of(bits=13), "Channel 0 has 13 bits"),
        (file_of(bits=1 << 28), "reserved bits"),
        (file_of(ranges=(0.0, float("nan")) * 7), "not finite"),
        (file_of(ranges=(float("inf"), 1.0) * 7), "not finite"),
        (file_of(bits=1 << 24, ranges=(0.0, 0.0) * 7), "Channel 6 has a step that is not positive"),
        (file_of(bits=6, ranges=(0.0, 1.0) * 7), "Channel 0 has a range that goes beyond 32"),
        (file_of(ranges=(-33.0, 1.0) * 7), "Channel 0 has a range that goes beyond 32"),
        (file_of(ranges=(8.0, 1.0, -8.0, 1.0, 8.01, 0.0) + (0.0, 1.0) * 4), "Channel 2 has a range that goes beyond 8"),
        (file_of(bits=3 << 8, ranges=(0.0, 2.0) * 7), "Channel 2 has a range that goes beyond 8"),
        (file_of(ranges=(0.0, 1.0) * 3 + (16.0, 1.0, -16.02, 0.0) + (0.0, 1.0) * 2), "Channel 4 has a range"),
        (file_of(bits=5 << 24, ranges=(0.0, 1.0) * 7), "Channel 6 has a range that goes beyond 16"),
        (file_of(flags=2, ranges=(0.0, 1.0) * 6 + (2.125, 0.0)), "Channel 6 has a range that goes beyond 2"),
        (
            file_of(flags=2, bits=4 << 24, ranges=(0.0, 1.0) * 6 + (-1.0, 0.25)),
            "Channel 6 has a range that goes beyond 2",
        ),
        (file_of(rest=b"123"), "multiple of four"),
        (file_of(rest=b"12345678"), "more or less"),
        (file_of(flags=1, rest=b"\5"), "truncated"),
        (file_of(flags=1, rest=b"\0ICCP\1\0\0\0"), "truncated"),
        (file_of(flags=1, rest=b"\0ICCP"), "truncated"),
        (file_of(flags=1, rest=b"\0" + b"EXIF\0\0\0\0" * 2, version=1), "twice"),
        (file_of(flags=1, rest=b"\0note\0\0\0\0note\0\0\0\0"), "twice"),
        (file_of(flags=1, rest=tail_of(b"EXIF", b"")), "not one zlib stream"),
        (file_of(flags=1, rest=tail_of(b"EXIF", b"nonsense")), "cannot be decompressed"),
        (file_of(flags=1, rest=tail_of(b"EXIF", zlib.compress(b"1")[:-1])), "not one zlib stream"),
        (file_of(flags=1, rest=tail_of(b"EXIF", zlib.compress(b"1") + b"2")), "not one zlib stream"),
        (file_of(flags=1, rest=tail_of(b"ALPH", ALPHA), version=1), "newer version"),
        (file_of(flags=1, rest=tail_of(b"ALPH", b"")), "empty"),
        (file_of(flags=1, rest=tail_of(b"ALPH", ALPHA[:-1])), "checksum"),
        (file_of(flags=1, rest=tail_of(b"ALPH", ALPHA)), "not a gray picture of the same size"),
        (file_of(flags=1, rest=tail_of(b"ALPH", file_of())), "not a gray picture of the same size"),
        (file_of(flags=1, rest=tail_of(b"ALPH", GRAY_ALPHA_FILE)), "a tail of its own"),
        (file_of(flags=1, rest=b"\0NEWS\0\0\0\0"), "newer version"),
    ],
)
def test_each_fault_has_its_own_message(data: bytes, message: str) -> None:
    with pytest.raises(BitstreamError, match=message):
        parse(data)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(max_side=31), "32 pixels of width, more than the 31 allowed"),
        (Limits(max_side=63), "64 columns of cells"),
        (Limits(max_pixels=767), "768 pixels, more than the 767 allowed"),
        (Limits(max_gaussians=49), "50 Gaussians"),
        (Limits(max_codewords=5), "codewords, more than the 5 allowed"),
        (Limits(max_tail=62), "63 bytes of metadata"),
    ],
)
def test_limits(limits: Limits, message: str) -> None:
    with pytest.raises(LimitError, match=message):
        parse_header(FILE_WITH_TAIL, limits)
    assert parse_header(FILE_WITH_TAIL, Limits(48 * 64, 64, 50, 8, 63)) == parse_header(FILE_WITH_TAIL)


def test_a_small_payload_cannot_claim_many_gaussians() -> None:
    assert len(parse(file_of((3, 2, 4096, 1, 1, 1, 1)))) == 4096
    with pytest.raises(LimitError, match="too many for 0 bytes"):
        parse(file_of((3, 2, 4097, 1, 1, 1, 1)))
    with pytest.raises(LimitError, match="too many for 0 bytes"):
        serialize(quantized_picture(num_gaussians=4097, num_codewords=1, bits=0, grid_size=(1, 1)))


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (replace(PICTURE, image_size=(70000, 1)), "70000 pixels of height"),
        (replace(PICTURE, image_size=(0, 1)), "no pixels of height"),
        (replace(PICTURE, grid_size=(48, 70000)), "70000 columns"),
        (replace(FULL_PICTURE, image_size=(0, 1)), "no pixels of height"),
        (replace(PICTURE, subdivision=65536), "the subdivision 65536"),
        (replace(quantized_picture(bits=8), blending="normalized"), "Channel 6 has a range that goes beyond 2"),
    ],
)
def test_what_cannot_be_read_is_not_written(picture: QuantizedGaussians, message: str) -> None:
    with pytest.raises(BitstreamError, match=message):
        serialize(picture)


@pytest.mark.parametrize(
    "quantizer", [(0.1, 1.0, 3), (0.0, 1e-9, 3), (0.0, 1e6, 3), (0.0, 1.0, 13), (0.0, 0.0, 3), (1e30, 0.0, 0)]
)
def test_quantizers_that_a_file_cannot_hold_are_refused(quantizer: tuple[float, float, int]) -> None:
    quantizers = (*PICTURE.color_codebook.quantizers[:-1], UniformQuantizer(*quantizer))
    codebook = QuantizedCodebook(PICTURE.color_codebook.symbols % 8, quantizers)
    for picture in (PICTURE, FULL_PICTURE):
        with pytest.raises(BitstreamError):
            serialize(replace(picture, color_codebook=codebook, offsets=np.zeros((50, 2), dtype=np.int64)))


def test_inconsistent_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="outside the grid"):
        serialize(replace(PICTURE, grid_size=(47, 1)))
    with pytest.raises(ValueError, match="outside the grid"):
        serialize(
            replace(
                PICTURE,
                color_codebook=QuantizedCodebook(
                    PICTURE.color_codebook.symbols + 64, PICTURE.color_codebook.quantizers
                ),
            )
        )
    for picture in (PICTURE, FULL_PICTURE):
        levels = lattice_of_picture(picture).levels
        for offsets in (-np.eye(50, 2, dtype=np.int64), np.where(np.arange(100).reshape(50, 2) == 77, levels, 0)):
            with pytest.raises(ValueError, match="outside its levels"):
                serialize(replace(picture, offsets=offsets))
    with pytest.raises(ValueError, match="four bytes"):
        serialize(PICTURE, {b"ICC": b""})
