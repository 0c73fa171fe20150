"""One function for two kinds of arrays: NumPy's in a decoder, which does without PyTorch, and PyTorch's in a fit."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
"""An array of NumPy or a tensor of PyTorch, on any device."""


def namespace(array: Array) -> Any:
    """Return the functions for `array` under the names of the Python array API standard.

    What they return is of the same kind and on the same device.
    """
    if isinstance(array, np.ndarray):
        return np  # it follows the standard by itself, and `array_api_compat` would load all of it
    from array_api_compat import array_namespace

    return array_namespace(array)
