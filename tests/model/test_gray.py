"""Gray pictures of integers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from quantized_pictures import gray_picture, quantized_picture


def test_gray_pictures_have_no_colors() -> None:
    picture = gray_picture()
    with pytest.raises(ValueError, match="has colours"):
        replace(quantized_picture(), is_gray=True)
    with pytest.raises(ValueError, match="has colours"):
        replace(picture, background=np.array([1, 2, 1], np.uint8))
