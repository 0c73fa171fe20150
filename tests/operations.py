"""What PyTorch is asked to do, to see on a CPU what would make the host wait for a GPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

READING = {
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

MOVING = {"cpu", "cuda", "tolist"}
"""Methods that move a tensor to another device; on a CPU they are no operations."""


class Operations:
    """The operations that PyTorch is asked for while this is entered.

    Attributes:
        names: of all operations.
        waiting: the names of those that make the host wait for the device, in the order in which they came. A copy
            counts wherever it goes, because on a CPU all copies are from the CPU to the CPU.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.waiting: list[str] = []
        self._modes = (_Calls(self), _Dispatches(self))

    def __enter__(self) -> Operations:
        for mode in self._modes:
            mode.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(*error)

    def take_waiting(self) -> list[str]:
        """Return what has made the host wait since this was last called."""
        taken, self.waiting = self.waiting, []
        return taken


class _Calls(TorchFunctionMode):
    """Sees what Python calls, and so the copies between devices."""

    def __init__(self, operations: Operations) -> None:
        super().__init__()
        self._operations = operations

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None) -> Any:
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        places = (*args[1:], *kwargs.values())
        if name in MOVING or (name == "to" and any(isinstance(x, str | torch.device | Tensor) for x in places)):
            self._operations.waiting.append(name)
        return func(*args, **kwargs)


class _Dispatches(TorchDispatchMode):
    """Sees the operations that calls consist of."""

    def __init__(self, operations: Operations) -> None:
        super().__init__()
        self._operations = operations

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None) -> Any:
        name = func.overloadpacket.__name__
        if name in ("index", "index_put_") and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        ):
            name = "nonzero"  # which a mask is turned into
        self._operations.names.append(name)
        if name in READING:
            self._operations.waiting.append(name)
        return func(*args, **(kwargs or {}))
