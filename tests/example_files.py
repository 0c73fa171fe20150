"""Files of each kind, for tests of reading and writing them."""

from __future__ import annotations

from quantized_pictures import gray_picture, quantized_picture

from taichi_gs.format.bitstream import serialize

PICTURE = quantized_picture()
FILE = serialize(PICTURE)
CHUNKS = {b"ICCP": b"a profile", b"EXIF": b"", b"note": b"of no interest"}
FILE_WITH_CHUNKS = serialize(PICTURE, CHUNKS)
FULL_PICTURE = quantized_picture(blending="normalized", subdivision=41, columns=7, has_grain=True)
FULL_FILE = serialize(FULL_PICTURE, CHUNKS)
"""A file with much in it: normalised blending, subdivided cells, grain and chunks."""

GRAY_PICTURE = gray_picture(step_codes=12)
GRAY_FILE = serialize(GRAY_PICTURE)
ALPHA = serialize(gray_picture(num_gaussians=20, step_codes=12, seed=5))
GRAY_ALPHA_FILE = serialize(GRAY_PICTURE, {**CHUNKS, b"ALPH": ALPHA})
ALPHA_FILE = serialize(FULL_PICTURE, {b"ALPH": ALPHA})
