"""The brightness of pictures."""

from __future__ import annotations

from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""Of red, green and blue (ITU-R BT.601)."""


def luma_of(picture: Tensor) -> Tensor:
    """The luma [H, W] of a picture [3, H, W], RGB."""
    red, green, blue = picture
    luma: Tensor = LUMA[0] * red
    return luma.add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])
