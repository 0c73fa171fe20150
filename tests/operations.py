"""What PyTorch is asked to do, to see on a CPU what would make the host wait for a GPU."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

WAITING = {
    "_local_scalar_dense",
    "_unique",
    "_unique2",
    "bincount",
    "equal",
    "lift_fresh",
    "masked_select",
    "multinomial",
    "nonzero",
    "repeat_interleave",
    "unique_consecutive",
    "unique_dim",
}
"""Operations that read a value, have a result whose size depends on values, or bring values from the host."""


class Operations(TorchDispatchMode):
    """The names of PyTorch's operations while this is entered, with the device of those that may copy to another."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[tuple[str, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        device = kwargs.get("device") if name == "_to_copy" else None
        if name in ("index", "index_put_") and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        ):
            name = "nonzero"  # which a mask is turned into
        self.names.append((name, device))
        return func(*args, **kwargs)

    def waiting(self) -> list[str]:
        """Those that make the host wait for the device, in the order in which they came."""
        return [name for name, device in self.names if name in WAITING or device is not None]
