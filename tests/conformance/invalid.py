"""The files of `bad/`, each with one thing wrong, and the error that it must give, written down by hand."""

from __future__ import annotations

import struct
import zlib

from conformance.invalid_payloads import IMPOSSIBLE, SURPLUS, TRUNCATED, Damage, alike, bad_payloads
from conformance.raw import (
    IS_FRONT_TO_BACK,
    IS_GRAY,
    MAX_SHORT,
    SIGNATURE,
    background_of,
    chunk,
    file_of,
    payload_of,
    with_checksum,
    without_checksum,
)

from taichi_gs.format.payload import encode_payload

CHECKSUM = "The file is damaged or truncated: its checksum does not match."
NOT_SHORTEST = "The file is invalid: a number in its header is not in the shortest form."
OTHER_PLANE = "The file is invalid: its alpha plane is not a gray picture of the same size."
NEWER = "The file has the metadata {!r}, which only a newer version understands."
TWICE = "The file is invalid: it has the metadata {!r} twice."
NO_STREAM = "The file is invalid: its metadata {!r} is not one zlib stream."
NO_DEFLATE = "The file is invalid: its metadata {!r} cannot be decompressed."
DRAFT = "The file is of a draft of the format, from before 0.1.0; encode its picture again."
MOST_CHUNKS = 16_777_216

DRAFTS = (
    bytes.fromhex(
        "895447530d0a1a0a010008060c100c0303f1a0af3333330300bc003000c4003000c4003000b8003000b8003000b8003000c4"
        "0030099521f21edd879fdff3467ada52a3e39aa91f3997e0471f988a6dcb"
    ),
    bytes.fromhex(
        "895447530d0a1a0a0206503c0604032803020102034444440400bc003800c0003800c0003800b8003800b8003800b8003800"
        "c00034ff49aeffb0e053e3623b3193ab0b143f75494686e1d5681c"
    ),
)
"""Files of the two drafts of the format, whole and sound."""


def damaged_files() -> list[Damage]:
    """Return the files of `bad/`."""
    return [
        *_unrecognized(),
        *_headers(),
        *_numbers(),
        *bad_payloads(),
        *_chunks(),
        *_alpha_planes(),
        _too_much_to_draw(),
    ]


def _unrecognized() -> list[Damage]:
    """What is no file of this format, or not a whole one."""
    whole = file_of(payload=payload_of(*background_of(1, 2, 3)))
    body = without_checksum(whole)
    longest = without_checksum(file_of(chunks=chunk(b"note", bytes(MAX_SHORT - 16))))
    longer = without_checksum(file_of(chunks=chunk(b"note", bytes(MAX_SHORT - 15))))
    assert (len(longest), len(longer)) == (MAX_SHORT, MAX_SHORT + 1)

    def other(name: str, data: bytes, guess: str = "") -> Damage:
        return Damage(name, f"This is not a .tgs file of Gaussians{guess}.", data)

    def version(number: int) -> Damage:
        sentence = f"The file has version {number} of the format, and only 1 is understood."
        return Damage(f"version_{number}", sentence, file_of(version=number))

    def checksum(name: str, body: bytes, num_bytes: int) -> Damage:
        return Damage(name, CHECKSUM, body + struct.pack("<I", zlib.crc32(body))[:num_bytes])

    telegram = "; it looks like a Telegram animated sticker, which also ends in .tgs, or another gzip file"
    return [
        Damage("empty", "The file is empty.", b""),
        Damage("cut_in_signature", "The file is truncated: it ends within its signature.", SIGNATURE[:2]),
        Damage("cut_after_signature", CHECKSUM, SIGNATURE),
        Damage("cut_after_version", CHECKSUM, whole[:4]),
        Damage("cut_in_header", CHECKSUM, whole[:6]),
        Damage("cut_in_checksum", CHECKSUM, whole[:-1]),
        Damage("byte_after_end", CHECKSUM, whole + b"\0"),
        Damage("flipped_bit", CHECKSUM, whole[:7] + bytes([whole[7] ^ 1]) + whole[8:]),
        Damage("flipped_checksum", CHECKSUM, whole[:-1] + bytes([whole[-1] ^ 128])),
        Damage("checksum_reversed", CHECKSUM, body + whole[-1:-3:-1]),
        checksum("checksum_too_long", longest, 4),
        checksum("checksum_too_short", longer, 2),
        checksum("checksum_much_too_long", body, 4),
        other("text", b"Gaussians, in so many words.\n"),
        other("seven_bits", bytes([whole[0] & 127]) + whole[1:]),
        other("telegram_sticker", b"\x1f\x8b\x08\0", telegram),
        other("png", b"\x89PNG\r\n\x1a\n", "; it looks like a PNG image"),
        other("jpeg", b"\xff\xd8\xff\xe0", "; it looks like a JPEG image"),
        other("webp", b"RIFF\4\0\0\0WEBP", "; it looks like a WebP image or another RIFF file"),
        other("gif", b"GIF89a", "; it looks like a GIF image"),
        version(0),
        version(2),
        version(15),
        *(Damage(f"draft_{number}", DRAFT, data) for number, data in enumerate(DRAFTS, 1)),
    ]


def _headers() -> list[Damage]:
    """Headers whose parts cannot be."""
    start = SIGNATURE + b"\x10"
    return [
        Damage("header_of_nothing", TRUNCATED, with_checksum(start)),
        Damage("header_ends_in_number", TRUNCATED, with_checksum(start + b"\3\x82")),
        Damage("header_ends_after_number", TRUNCATED, with_checksum(start + b"\3\2\1")),
        Damage("header_ends_in_codewords", TRUNCATED, with_checksum(start + b"\3\2\1\5\0\1")),
        Damage("header_without_length", TRUNCATED, with_checksum(SIGNATURE + b"\x11\3\2\0")),
        Damage("number_too_long", NOT_SHORTEST, with_checksum(start + b"\xff" * 5 + b"\1" * 60)),
        Damage("number_not_shortest", NOT_SHORTEST, with_checksum(start + b"\x83\0" + b"\1" * 60)),
        Damage("zero_not_shortest", NOT_SHORTEST, with_checksum(start + b"\3\2\x80\0" + b"\1" * 60)),
    ]


def _numbers() -> list[Damage]:
    """Headers whose numbers are impossible or too large."""

    def subdivision(code: int) -> Damage:
        sentence = f"The file is invalid: its cells have the subdivision code {code}."
        return Damage(f"subdivision_code_{code}", sentence, file_of(num_gaussians=1, subdivision_code=code))

    def absent(name: str, what: str, data: bytes) -> Damage:
        return Damage(name, f"The file is invalid: it has no {what}.", data)

    def too_large(name: str, what: str, most: int, data: bytes) -> Damage:
        return Damage(name, f"The file has {what}, more than the {most} allowed.", data, "LimitError")

    def codewords(num_gaussians: int, *numbers: int) -> Damage:
        wrong = next(number for number in numbers if not 1 <= number <= num_gaussians)
        sentence = f"The file is invalid: {wrong} codewords for {num_gaussians} Gaussians."
        name = f"codewords_{numbers[0]}_{numbers[1]}_of_{num_gaussians}"
        return Damage(name, sentence, file_of(num_gaussians=num_gaussians, codewords=numbers[:2]))

    def too_many(num_gaussians: int, payload: bytes) -> Damage:
        sentence = f"The file has {num_gaussians} Gaussians, too many for {len(payload)} bytes of payload."
        data = file_of(num_gaussians=num_gaussians, columns=1, payload=payload)
        return Damage(f"gaussians_{num_gaussians}_in_{len(payload)}_bytes", sentence, data, "LimitError")

    one = encode_payload(alike(1))
    return [
        *map(subdivision, (129, 2**35 - 1)),
        absent("no_width", "pixels of width", file_of(size=(0, 2))),
        absent("no_height", "pixels of height", file_of(size=(3, 0))),
        absent("no_columns", "columns of cells", file_of(num_gaussians=1, columns=0)),
        too_large("too_wide", "65536 pixels of width", 65535, file_of(size=(65536, 1))),
        too_large("too_tall", "34359738367 pixels of height", 65535, file_of(size=(1, 2**35 - 1))),
        too_large("too_many_columns", "65536 columns of cells", 65535, file_of(num_gaussians=1, columns=65536)),
        too_large("too_many_pixels", "89520810 pixels", 89_478_485, file_of(size=(65535, 1366))),
        too_large("too_many_gaussians", "16777217 Gaussians", 400_000, file_of(num_gaussians=2**24 + 1)),
        too_many(4097, b""),
        too_many(4097 + 64 * len(one), one),
        too_large(
            "too_many_codewords",
            "65537 codewords",
            16_384,
            file_of(num_gaussians=65537, codewords=(1, 65537), columns=1, payload=bytes(963) + b"\1"),
        ),
        codewords(1, 0, 1),
        codewords(1, 1, 0),
        codewords(5, 6, 5),
        codewords(5, 5, 6),
    ]


def _chunks() -> list[Damage]:
    """Chunks that cannot be, or that are not for this version."""
    packed = zlib.compress(b"content", 9)
    compressor = zlib.compressobj(zdict=b"content")
    with_dictionary = compressor.compress(b"content") + compressor.flush()

    def metadata(name: str, sentence: str, content: bytes, error: str = "BitstreamError") -> Damage:
        return Damage(name, sentence.format(b"EXIF"), file_of(chunks=chunk(b"EXIF", content)), error)

    def bomb(name: str, sentence: str, *sizes: int) -> Damage:
        tags = (b"ICCP", b"XMP_")
        parts = (chunk(tag, zlib.compress(bytes(size), 9)) for tag, size in zip(tags, sizes, strict=False))
        return Damage(name, sentence, file_of(chunks=b"".join(parts)), "LimitError")

    too_large = "The file's metadata {!r} is larger than the {} bytes left to it."
    many = b"".join(chunk(b"x" + struct.pack("<H", number) + b"x", b"") for number in range(1001))
    too_many = "The file has metadata in more pieces than the 1000 allowed."
    after_others = chunk(b"a   ", b"") + chunk(b"ICCQ", b"")
    return [
        Damage("chunks_end_in_tag", TRUNCATED, file_of(chunks=b"XM")),
        Damage("chunks_end_in_length", TRUNCATED, file_of(chunks=b"XMP_\1\0")),
        Damage("chunks_end_in_content", TRUNCATED, file_of(chunks=b"note\4\0\0\0abc")),
        Damage("chunk_length_huge", TRUNCATED, file_of(chunks=b"note\xff\xff\xff\xffabc")),
        Damage("chunk_twice", TWICE.format(b"XMP_"), file_of(chunks=chunk(b"XMP_", packed) * 2)),
        Damage("unknown_chunk_twice", TWICE.format(b"note"), file_of(chunks=chunk(b"note", b"") * 2)),
        Damage("newer_chunk", NEWER.format(b"NEWS"), file_of(chunks=chunk(b"NEWS", b""))),
        Damage("newer_chunk_of_bytes", NEWER.format(b"\0abc"), file_of(chunks=chunk(b"\0abc", b""))),
        Damage("newer_chunk_after_others", NEWER.format(b"ICCQ"), file_of(chunks=after_others)),
        metadata("metadata_not_compressed", NO_DEFLATE, b"II*\0\x08\0\0\0"),
        metadata("metadata_damaged", NO_DEFLATE, packed[:5] + bytes([packed[5] ^ 64]) + packed[6:]),
        metadata("metadata_with_dictionary", NO_DEFLATE, with_dictionary),
        metadata("metadata_of_no_bytes", NO_STREAM, b""),
        metadata("metadata_cut", NO_STREAM, packed[:-1]),
        metadata("metadata_with_surplus", NO_STREAM, packed + b"\0"),
        metadata("metadata_of_two_streams", NO_STREAM, packed * 2),
        Damage("too_many_chunks", too_many, file_of(chunks=many), "LimitError"),
        bomb("zip_bomb", too_large.format(b"ICCP", MOST_CHUNKS), MOST_CHUNKS + 1),
        bomb("zip_bomb_in_parts", too_large.format(b"XMP_", MOST_CHUNKS - 9_000_000), 9_000_000, 9_000_000),
    ]


def _plane(**changes: object) -> bytes:
    """An alpha plane for a picture of 3 x 2 pixels."""
    options: dict[str, object] = {"flags": IS_GRAY, "payload": payload_of(*background_of(8)), **changes}
    return file_of(**options)


def _alpha_planes() -> list[Damage]:
    """Files that are sound but for their alpha plane."""

    def around(
        name: str, sentence: str, plane: bytes, error: str = "BitstreamError", found_by: str = "parse"
    ) -> Damage:
        return Damage(name, sentence, file_of(chunks=chunk(b"ALPH", plane)), error, found_by)

    sound = _plane()
    of_its_own = "The file is invalid: its alpha plane has chunks of its own."
    too_wide = "The file has 65536 pixels of width, more than the 65535 allowed."
    impossible = _plane(num_gaussians=1, payload=b"\xff" * 8)
    surplus = _plane(payload=payload_of(*background_of(8)) + b"\1")
    return [
        around("plane_empty", "The file is empty.", b""),
        around("plane_no_file", "This is not a .tgs file of Gaussians.", bytes(range(20))),
        around("plane_draft", DRAFT, DRAFTS[1]),
        around("plane_cut", CHECKSUM, sound[:-1]),
        around("plane_damaged", CHECKSUM, sound[:6] + b"\xff" + sound[7:]),
        around("plane_in_color", OTHER_PLANE, file_of()),
        around("plane_wider", OTHER_PLANE, _plane(size=(4, 2))),
        around("plane_turned", OTHER_PLANE, _plane(size=(2, 3))),
        around("plane_with_flag", of_its_own, _plane(chunks=b"")),
        around("plane_with_plane", of_its_own, _plane(chunks=chunk(b"ALPH", sound))),
        around("plane_too_wide", too_wide, _plane(size=(65536, 1)), error="LimitError"),
        around("plane_payload_damaged", IMPOSSIBLE, impossible, found_by="decode"),
        around("plane_payload_surplus", SURPLUS, surplus, found_by="decode"),
        Damage("plane_twice", TWICE.format(b"ALPH"), file_of(chunks=2 * chunk(b"ALPH", sound))),
    ]


def _too_much_to_draw() -> Damage:
    """4096 Gaussians that all cover 128 x 128 tiles, in 32 bytes."""
    payload = encode_payload(alike(1, area_code=47))
    data = file_of(flags=IS_FRONT_TO_BACK, size=(2048, 2048), num_gaussians=4096, columns=1, payload=payload)
    allowed = (1 << 22) + 64 * (len(data) - 2) + 2048 * 2048 // 8
    num_pairs = 4096 * 128 * 128
    sentence = f"The file has {num_pairs} pairs of a Gaussian and a tile, more than the {allowed} allowed."
    return Damage("too_much_to_draw", sentence, data, "LimitError", found_by="decode")
