"""The files of `bad/`, each with one thing wrong, and the error that it must give, written down by hand."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from conformance.raw import (
    HAS_TAIL,
    IS_NORMALIZED,
    NO_RANGES,
    SIGNATURE,
    chunk,
    file_of,
    payload_of,
    varint,
    with_checksum,
)
from reference_decoder import beta_binomial, uniform, weighted

NAN, INFINITY = float("nan"), float("inf")
GRAY_RANGES = (0.0, 1.0) * 5

TRUNCATED = "The file is truncated: it ends before everything it announces."
CHECKSUM = "The file is damaged or truncated: its checksum does not match."
NOT_SHORTEST = "The file is invalid: a number in its header is not in the shortest form."
SURPLUS = "The payload is damaged: it holds more or less than the header announces."
IMPOSSIBLE = "The payload is damaged: it holds a symbol that cannot be."
TOO_OFTEN = "The payload is damaged: a symbol comes up more often than was announced."
TOO_MANY_IN_PART = "The payload is damaged: more points in a part than in the whole."
OTHER_PLANE = "The file is invalid: its alpha plane is not a gray picture of the same size."
NOT_FINITE = "Channel {} has a range that is not finite."
STEP = "Channel {} has a step that is not positive."
BEYOND = "Channel {{}} has a range that goes beyond {}."
NEWER = "The file has the metadata {!r}, which only a newer version understands."
TWICE = "The file is invalid: it has the metadata {!r} twice."
NO_STREAM = "The file is invalid: its metadata {!r} is not one zlib stream."
NO_DEFLATE = "The file is invalid: its metadata {!r} cannot be decompressed."
MOST_TAIL = 16_777_216


@dataclass(frozen=True)
class Damage:
    """A file that must be refused.

    Attributes:
        name: of the file, without the suffix.
        sentence: the whole message of the error.
        data: the file.
        error: its class.
        found_by: "parse", or "decode" where only that looks so far: into the payload of an alpha plane, and at how much
            there is to draw.
    """

    name: str
    sentence: str
    data: bytes
    error: str = "BitstreamError"
    found_by: str = "parse"


def damaged_files() -> list[Damage]:
    """Return the files of `bad/`."""
    return [*_unrecognized(), *_headers(), *_numbers(), *_payloads(), *_tails(), *_alpha_planes(), _too_much_to_draw()]


def _unrecognized() -> list[Damage]:
    """What is no file of this format, or not a whole one."""
    whole = file_of()

    def other(name: str, data: bytes, guess: str = "") -> Damage:
        return Damage(name, f"This is not a .tgs file of Gaussians{guess}.", data)

    def version(number: int) -> Damage:
        sentence = f"The file has version {number} of the format, and only 1 and 2 are understood."
        return Damage(f"version_{number}", sentence, with_checksum(SIGNATURE + bytes([number]) + whole[9:-4]))

    telegram = "; it looks like a Telegram animated sticker, which also ends in .tgs, or another gzip file"
    return [
        Damage("empty", "The file is empty.", b""),
        Damage("cut_in_signature", "The file is truncated: it ends within its signature.", SIGNATURE[:5]),
        Damage("cut_after_signature", CHECKSUM, SIGNATURE),
        Damage("cut_after_version", CHECKSUM, whole[:9]),
        Damage("cut_in_header", CHECKSUM, whole[:30]),
        Damage("cut_in_checksum", CHECKSUM, whole[:-1]),
        Damage("byte_after_end", CHECKSUM, whole + b"\0"),
        Damage("flipped_bit", CHECKSUM, whole[:20] + bytes([whole[20] ^ 1]) + whole[21:]),
        Damage("flipped_checksum", CHECKSUM, whole[:-1] + bytes([whole[-1] ^ 128])),
        other("text", b"Gaussians, in so many words.\n"),
        other("lines_converted", whole.replace(b"\r\n", b"\n")),
        other("seven_bits", bytes([whole[0] & 127]) + whole[1:]),
        other("telegram_sticker", b"\x1f\x8b\x08\0", telegram),
        other("png", b"\x89PNG\r\n\x1a\n", "; it looks like a PNG image"),
        other("jpeg", b"\xff\xd8\xff\xe0", "; it looks like a JPEG image"),
        other("webp", b"RIFF\4\0\0\0WEBP", "; it looks like a WebP image or another RIFF file"),
        other("gif", b"GIF89a", "; it looks like a GIF image"),
        version(0),
        version(3),
        version(255),
    ]


def _headers() -> list[Damage]:
    """Headers whose parts cannot be."""

    def flags(version: int, bits: int) -> Damage:
        sentence = f"The file sets the reserved flags 0x{bits:02x}, which a newer version may define."
        return Damage(f"reserved_flags_{version}_{bits:02x}", sentence, file_of(version=version, flags=bits))

    def chroma(channel: int) -> Damage:
        sentence = f"The file is gray, and its channel {channel} of colour has 1 bits."
        bits = [int(c == channel) for c in range(7)]
        return Damage(f"gray_bits_{channel}", sentence, file_of(background=b"\1", bits=bits, ranges=GRAY_RANGES))

    def too_many_bits(channel: int, number: int) -> Damage:
        sentence = f"Channel {channel} has {number} bits, more than the 12 of the format."
        return Damage(f"bits_{number}_{channel}", sentence, file_of(bits=[0] * channel + [number]))

    def ranges(name: str, sentence: str, channel: int, minimum: float, step: float, bits: int = 0) -> Damage:
        values = [*NO_RANGES[: 2 * channel], minimum, step, *NO_RANGES[2 * channel + 2 :]]
        data = file_of(bits=[0] * channel + [bits], ranges=values)
        return Damage(f"{name}_{channel}", sentence.format(channel), data)

    def weights(name: str, minimum: float, step: float, bits: int) -> Damage:
        data = file_of(flags=IS_NORMALIZED, bits=[0] * 6 + [bits], ranges=[*NO_RANGES[:12], minimum, step])
        return Damage(name, "Channel 6 has a range that goes beyond 2.", data)

    short = SIGNATURE + b"\2\0"
    reserved_bits = "The file sets reserved bits in its header, which a newer version may define."
    return [
        *(flags(1, bits) for bits in (2, 4, 8, 16, 128)),
        *(flags(2, bits) for bits in (16, 32, 64, 128, 240)),
        Damage("header_of_nothing", TRUNCATED, with_checksum(short)),
        Damage("header_ends_in_number", TRUNCATED, with_checksum(short + b"\3\x82")),
        Damage("header_ends_in_background", TRUNCATED, with_checksum(short + bytes([3, 2, 0, 5, 4, 0, 0, 1]))),
        Damage("header_ends_in_bits", TRUNCATED, with_checksum(short + bytes([3, 2, 0, 5, 4, 0, 0, 1, 2, 3, 0]))),
        Damage("header_ends_in_ranges", TRUNCATED, with_checksum(file_of()[:-5])),
        Damage("number_too_long", NOT_SHORTEST, with_checksum(short + b"\xff" * 5 + b"\1" * 60)),
        Damage("number_not_shortest", NOT_SHORTEST, with_checksum(short + b"\x83\0" + b"\1" * 60)),
        Damage("zero_not_shortest", NOT_SHORTEST, with_checksum(short + b"\3\2\x80\0" + b"\1" * 60)),
        Damage("reserved_bits_1", reserved_bits, file_of(bits=[0] * 7 + [1])),
        Damage("reserved_bits_8", reserved_bits, file_of(bits=[0] * 7 + [8])),
        chroma(4),
        chroma(5),
        *(too_many_bits(channel, number) for channel, number in ((0, 13), (3, 14), (6, 15))),
        ranges("minimum_nan", NOT_FINITE, 0, NAN, 1.0),
        ranges("minimum_infinite", NOT_FINITE, 4, INFINITY, 1.0),
        ranges("step_nan", NOT_FINITE, 3, 0.0, NAN),
        ranges("step_infinite", NOT_FINITE, 6, 0.0, -INFINITY, 4),
        ranges("step_zero", STEP, 6, 0.0, 0.0, 1),
        ranges("step_negative", STEP, 2, 0.0, -1.0, 2),
        ranges("beyond_minimum", BEYOND.format(32), 0, -32.03125, 0.0),
        ranges("beyond_maximum", BEYOND.format(8), 2, 0.0, 1.0, 4),
        ranges("beyond_minimum", BEYOND.format(8), 1, -8.0078125, 0.0),
        ranges("beyond_maximum", BEYOND.format(16), 3, -16.0, 32.03125, 1),
        ranges("beyond_minimum", BEYOND.format(16), 4, -16.015625, 0.0),
        ranges("beyond_maximum", BEYOND.format(16), 5, 0.0, 1.0, 5),
        ranges("beyond_minimum", BEYOND.format(16), 6, -16.015625, 1.0),
        weights("beyond_minimum_of_weights", -2.001953125, 0.0, 0),
        weights("beyond_maximum_of_weights", -1.0, 0.25, 4),
    ]


def _numbers() -> list[Damage]:
    """Headers whose numbers are impossible or too large."""

    def subdivision(value: int) -> Damage:
        sentence = f"The file is invalid: its cells have the subdivision {value}."
        return Damage(f"subdivision_{value}", sentence, file_of(subdivision=value))

    def absent(name: str, what: str, data: bytes) -> Damage:
        return Damage(name, f"The file is invalid: it has no {what}.", data)

    def too_large(name: str, what: str, most: int, data: bytes) -> Damage:
        return Damage(name, f"The file has {what}, more than the {most} allowed.", data, "LimitError")

    def codewords(num_gaussians: int, *numbers: int) -> Damage:
        wrong = next(number for number in numbers if not min(num_gaussians, 1) <= number <= num_gaussians)
        sentence = f"The file is invalid: {wrong} codewords for {num_gaussians} Gaussians."
        name = f"codewords_{numbers[0]}_{numbers[1]}_of_{num_gaussians}"
        return Damage(name, sentence, file_of(num_gaussians=num_gaussians, codewords=numbers[:2]))

    def too_many(num_gaussians: int, payload: bytes) -> Damage:
        sentence = f"The file has {num_gaussians} Gaussians, too many for {len(payload)} bytes of payload."
        data = file_of(num_gaussians=num_gaussians, grid=(1, 1), payload=payload)
        return Damage(f"gaussians_{num_gaussians}_in_{len(payload)}_bytes", sentence, data, "LimitError")

    return [
        *map(subdivision, (0, 65536, 2**35 - 1)),
        absent("no_width", "pixels of width", file_of(size=(0, 2))),
        absent("no_height", "pixels of height", file_of(size=(3, 0))),
        absent("no_columns", "columns of cells", file_of(grid=(0, 4))),
        absent("no_rows", "rows of cells", file_of(grid=(5, 0))),
        too_large("too_wide", "65536 pixels of width", 65535, file_of(size=(65536, 1))),
        too_large("too_tall", "34359738367 pixels of height", 65535, file_of(size=(1, 2**35 - 1))),
        too_large("too_many_columns", "65536 columns of cells", 65535, file_of(grid=(65536, 1))),
        too_large("too_many_rows", "65536 rows of cells", 65535, file_of(grid=(1, 65536))),
        too_large("too_many_pixels", "89520810 pixels", 89_478_485, file_of(size=(65535, 1366))),
        too_large("too_many_gaussians", "4194305 Gaussians", 400_000, file_of(num_gaussians=4_194_305)),
        too_many(4097, b""),
        too_many(4353, bytes(4)),
        too_large(
            "too_many_codewords",
            "65537 codewords",
            16_384,
            file_of(num_gaussians=65537, codewords=(1, 65537), grid=(1, 1), payload=bytes(964)),
        ),
        codewords(1, 0, 1),
        codewords(1, 1, 0),
        codewords(0, 1, 0),
        codewords(0, 0, 1),
        codewords(5, 6, 5),
        codewords(5, 5, 6),
    ]


def _payloads() -> list[Damage]:
    """Payloads that no encoder writes."""
    half = beta_binomial(1, 2, 1)
    one = {"num_gaussians": 1, "grid": (2, 1)}
    payload = payload_of((0, half))
    next_word = struct.pack("<I", struct.unpack("<I", payload)[0] + 1)
    whole = file_of(**one, payload=payload)
    # 32 halvings, of a bit each: a word and a little more.
    place = {"num_gaussians": 1, "grid": (65535, 65535)}
    halvings = payload_of(*((1, half) for _ in range(32)))
    crowd = {"num_gaussians": 256, "grid": (2, 1)}
    return [
        *(
            Damage(
                f"payload_of_{length}_bytes",
                f"The payload has {length} bytes, which is not a multiple of four.",
                file_of(payload=bytes(length)),
            )
            for length in (1, 2, 3, 5)
        ),
        Damage("payload_for_nothing", SURPLUS, file_of(payload=bytes(4))),
        Damage("payload_missing", SURPLUS, file_of(**one)),
        Damage("payload_too_long", SURPLUS, file_of(**one, payload=payload + bytes(4))),
        Damage("payload_of_another_encoder", SURPLUS, file_of(**one, payload=next_word)),
        Damage("payload_cut", SURPLUS, file_of(**place, payload=halvings[:-4])),
        Damage("payload_length_too_large", TRUNCATED, _with_tail_flag(whole, 8)),
        Damage(
            "payload_length_huge",
            f"The file has {2**35 - 1} bytes of payload, more than the {1024 + 16 * 3} allowed for its Gaussians and "
            "codewords.",
            _with_tail_flag(whole, 2**35 - 1),
            "LimitError",
        ),
        Damage("payload_length_too_small", TRUNCATED, _with_tail_flag(whole, 0)),
        Damage("impossible_symbol", IMPOSSIBLE, file_of(**one, payload=b"\xff" * 8)),
        Damage("impossible_concentration", IMPOSSIBLE, file_of(num_gaussians=2, payload=b"\xff" * 8)),
        Damage(
            "more_points_than_whole",
            TOO_MANY_IN_PART,
            file_of(**crowd, payload=payload_of((0, uniform(8)), (128, beta_binomial(128, 2, 1)), (1, uniform(2)))),
        ),
        _too_often(1),
        _too_often(2),
    ]


def _too_often(version: int) -> Damage:
    """Two codewords of one bit, of which 32 Gaussians use the first once, but then twice in a block."""
    codes = [(0, uniform(8))] * 2
    counts = [(1, beta_binomial(2, 2, 1)), (1, beta_binomial(32, 2, 1))]
    if version == 1:
        multisets = [symbol for pair in zip(codes, counts, strict=True) for symbol in pair]
    else:
        multisets = [*codes, *counts]
    block = (0, 0) if version == 1 else (0, 0, 1, 1)
    order = [(symbol, weighted([1, 31])) for symbol in block]
    payload = payload_of(*multisets, *order)
    data = file_of(version=version, num_gaussians=32, grid=(1, 1), codewords=(2, 1), bits=[1], payload=payload)
    return Damage(f"symbol_too_often_{version}", TOO_OFTEN, data)


def _with_tail_flag(whole: bytes, payload_length: int) -> bytes:
    """Return a file with a payload of four bytes as if it had a tail, and its payload another length."""
    header, payload = whole[10:-8], whole[-8:-4]
    return with_checksum(SIGNATURE + bytes([2, HAS_TAIL]) + header + varint(payload_length) + payload)


def _tails() -> list[Damage]:
    """Tails that cannot be, or that are not for this version."""
    packed = zlib.compress(b"content", 9)
    compressor = zlib.compressobj(zdict=b"content")
    with_dictionary = compressor.compress(b"content") + compressor.flush()

    def metadata(name: str, sentence: str, content: bytes, error: str = "BitstreamError") -> Damage:
        return Damage(name, sentence.format(b"EXIF"), file_of(tail=chunk(b"EXIF", content)), error)

    def bomb(name: str, sentence: str, *sizes: int) -> Damage:
        tags = (b"ICCP", b"XMP_")
        tail = b"".join(chunk(tag, zlib.compress(bytes(size), 9)) for tag, size in zip(tags, sizes, strict=False))
        return Damage(name, sentence, file_of(tail=tail), "LimitError")

    too_large = "The file's metadata {!r} is larger than the {} bytes left to it."
    many = b"".join(chunk(b"x" + struct.pack("<H", number) + b"x", b"") for number in range(1001))
    too_many = "The file has metadata in more pieces than the 1000 allowed."
    return [
        Damage("tail_ends_in_tag", TRUNCATED, file_of(tail=b"XM")),
        Damage("tail_ends_in_length", TRUNCATED, file_of(tail=b"XMP_\1\0")),
        Damage("tail_ends_in_chunk", TRUNCATED, file_of(tail=b"note\4\0\0\0abc")),
        Damage("chunk_length_huge", TRUNCATED, file_of(tail=b"note\xff\xff\xff\xffabc")),
        Damage("chunk_twice", TWICE.format(b"XMP_"), file_of(tail=chunk(b"XMP_", packed) * 2)),
        Damage("unknown_chunk_twice", TWICE.format(b"note"), file_of(tail=chunk(b"note", b"") * 2)),
        Damage("chunk_twice_1", TWICE.format(b"EXIF"), file_of(version=1, tail=chunk(b"EXIF", b"") * 2)),
        Damage("newer_chunk", NEWER.format(b"NEWS"), file_of(tail=chunk(b"NEWS", b""))),
        Damage("newer_chunk_of_bytes", NEWER.format(b"\0abc"), file_of(tail=chunk(b"\0abc", b""))),
        Damage(
            "newer_chunk_after_others", NEWER.format(b"ICCQ"), file_of(tail=chunk(b"a   ", b"") + chunk(b"ICCQ", b""))
        ),
        Damage("alpha_plane_1", NEWER.format(b"ALPH"), file_of(version=1, tail=chunk(b"ALPH", _plane()))),
        metadata("metadata_not_compressed", NO_DEFLATE, b"II*\0\x08\0\0\0"),
        metadata("metadata_damaged", NO_DEFLATE, packed[:5] + bytes([packed[5] ^ 64]) + packed[6:]),
        metadata("metadata_with_dictionary", NO_DEFLATE, with_dictionary),
        metadata("metadata_of_no_bytes", NO_STREAM, b""),
        metadata("metadata_cut", NO_STREAM, packed[:-1]),
        metadata("metadata_with_surplus", NO_STREAM, packed + b"\0"),
        metadata("metadata_of_two_streams", NO_STREAM, packed * 2),
        Damage("too_many_chunks", too_many, file_of(tail=many), "LimitError"),
        bomb("zip_bomb", too_large.format(b"ICCP", MOST_TAIL), MOST_TAIL + 1),
        bomb("zip_bomb_in_parts", too_large.format(b"XMP_", MOST_TAIL - 9_000_000), 9_000_000, 9_000_000),
    ]


def _plane(**changes: object) -> bytes:
    """An alpha plane for a picture of 3 x 2 pixels."""
    options: dict[str, object] = {"background": b"\x80", "ranges": GRAY_RANGES, **changes}
    return file_of(**options)  # type: ignore[arg-type]


def _alpha_planes() -> list[Damage]:
    """Files that are sound but for their alpha plane."""

    def around(
        name: str, sentence: str, plane: bytes, error: str = "BitstreamError", found_by: str = "parse"
    ) -> Damage:
        return Damage(name, sentence, file_of(tail=chunk(b"ALPH", plane)), error, found_by)

    sound = _plane()
    damaged = _plane(num_gaussians=1, grid=(2, 1), payload=b"\xff" * 8)
    return [
        around("plane_empty", "The file is empty.", b""),
        around("plane_no_file", "This is not a .tgs file of Gaussians.", bytes(range(20))),
        around("plane_cut", CHECKSUM, sound[:-1]),
        around("plane_damaged", CHECKSUM, sound[:15] + b"\xff" + sound[16:]),
        around("plane_in_color", OTHER_PLANE, file_of()),
        around("plane_wider", OTHER_PLANE, _plane(size=(4, 2))),
        around("plane_turned", OTHER_PLANE, _plane(size=(2, 3))),
        around("plane_version_1", OTHER_PLANE, file_of(version=1)),
        around("plane_with_tail", "The file is invalid: its alpha plane has chunks of its own.", _plane(tail=b"")),
        around(
            "plane_with_plane",
            "The file is invalid: its alpha plane has chunks of its own.",
            _plane(tail=chunk(b"ALPH", sound)),
        ),
        around(
            "plane_too_wide",
            "The file has 65536 pixels of width, more than the 65535 allowed.",
            _plane(size=(65536, 1)),
            error="LimitError",
        ),
        around("plane_payload_damaged", IMPOSSIBLE, damaged, found_by="decode"),
        around("plane_payload_surplus", SURPLUS, _plane(payload=bytes(4)), found_by="decode"),
        Damage("plane_twice", TWICE.format(b"ALPH"), file_of(tail=2 * chunk(b"ALPH", sound))),
    ]


def _too_much_to_draw() -> Damage:
    """4096 Gaussians that all cover 128 x 128 tiles, in 59 bytes."""
    data = file_of(size=(2048, 2048), num_gaussians=4096, grid=(1, 1), ranges=[32.0, 0.0] + [0.0, 0.0] * 6)
    allowed = (1 << 22) + 64 * (len(data) - 4) + 2048 * 2048 // 8
    num_pairs = 4096 * 128 * 128
    sentence = f"The file has {num_pairs} pairs of a Gaussian and a tile, more than the {allowed} allowed."
    return Damage("too_much_to_draw", sentence, data, "LimitError", found_by="decode")
