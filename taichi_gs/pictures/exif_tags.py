"""The tags of Exif blocks that describe a picture, and the types that the Exif specification gives them.

Left out is all that says how pixels are stored, where in the file something is, and where in the picture: none of that
is true of a picture that has been turned, scaled or coded anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL = 1, 2, 3, 4, 5, 7, 10

WIDTHS = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, UNDEFINED: 1, SRATIONAL: 8}
"""Bytes of one value of each type."""

ORIENTATION = 274
EXIF_POINTER, GPS_POINTER = 34665, 34853


class Kind(NamedTuple):
    """The type of a tag, and how many values it has; None is any number."""

    type: int
    number: int | None


def _kinds(*groups: tuple[int, int | None, str]) -> Mapping[int, Kind]:
    return MappingProxyType({int(tag): Kind(kind, number) for kind, number, tags in groups for tag in tags.split()})


TAGS: Mapping[str, Mapping[int, Kind]] = MappingProxyType(
    {
        # Description, camera, software, date, artist, host, copyright; resolution; rating; Windows' title to subject.
        "image": _kinds(
            (ASCII, None, "269 270 271 272 305 306 315 316 33432"),
            (RATIONAL, 1, "282 283"),
            (SHORT, 1, "296 18246 18249"),
            (BYTE, None, "40091 40092 40093 40094 40095"),
        ),
        "exif": _kinds(
            (ASCII, None, "34852 36867 36868 36880 36881 36882 37520 37521 37522 42016 42032 42033 42035 42036 42037"),
            (SHORT, 1, "34850 34864 37383 37384 37385 40961 41488 41495 41985 41986 41987 41989 41990 41991 41992"),
            (SHORT, 1, "41993 41994 41996 42080"),
            (SHORT, None, "34855"),
            (LONG, 1, "34865 34866 34867 34868 34869"),
            (RATIONAL, 1, "33434 33437 37378 37381 37382 37386 37889 37890 37892 41483 41486 41487 41493 41988 42240"),
            (RATIONAL, 4, "42034"),
            (SRATIONAL, 1, "37377 37379 37380 37888 37891 37893"),
            (UNDEFINED, 1, "41728 41729"),
            (UNDEFINED, 4, "36864 40960"),
            (UNDEFINED, None, "37500 37510"),
        ),
        "gps": _kinds(
            (BYTE, 4, "0"),
            (BYTE, 1, "5"),
            (ASCII, None, "1 3 8 9 10 12 14 16 18 19 21 23 25 29"),
            (SHORT, 1, "30"),
            (RATIONAL, 1, "6 11 13 15 17 24 26 31"),
            (RATIONAL, 3, "2 4 7 20 22"),
            (UNDEFINED, None, "27 28"),
        ),
    }
)
"""What is kept of each directory of a block: the first one, and those that it points to."""
