"""What PyTorch is asked to do, to see on a CPU what would make the host wait for a GPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

READING = {
    "_local_scalar_dense",
    "_unique",
    "_unique2",
    "bincount",
    "equal",
    "is_nonzero",
    "item",
    "lift_fresh",
    "masked_select",
    "multinomial",
    "nonzero",
    "repeat_interleave",
    "unique_consecutive",
    "unique_dim",
}
"""Operations that read a value, have a result whose size depends on values, or bring values from the host.

In inference mode PyTorch does not say what "item" and "is_nonzero" consist of."""

FACTORIES = {"arange", "empty", "full", "linspace", "ones", "rand", "randint", "randn", "randperm", "zeros"}
"""Functions that make a tensor on the host where no device is named; those that read a list or an array do more, see
"lift_fresh"."""

READING_METHODS = {"cpu", "tolist"}
"""Methods that bring a tensor to the host; on a CPU they are no operations."""


class Operations:
    """The operations that PyTorch is asked for while this is entered.

    Attributes:
        names: of all operations.
        waiting: the names of those that make the host wait for the device, in the order in which they came. Where the
            device is the CPU, copies to it are seen by where a tensor began: on the host if it was made there, or
            follows from such tensors, since this was entered; else on the device.
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
    """Sees what Python calls, and so the copies between the host and a device."""

    def __init__(self, operations: Operations) -> None:
        super().__init__()
        self._operations = operations
        self._on_host = WeakTensorKeyDictionary()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None) -> Any:
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        places = [x for x in (*args[1:], *kwargs.values()) if isinstance(x, str | torch.device | Tensor)]
        from_host = any(x in self._on_host for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor))
        leaves_host = from_host and (name == "cuda" or (name == "to" and bool(places)))
        comes_to_host = name in READING_METHODS or (
            name == "to" and any(x == "cpu" for x in places if isinstance(x, str))
        )
        if leaves_host or (comes_to_host and not from_host):
            self._operations.waiting.append(name)
        result = func(*args, **kwargs)
        if isinstance(result, Tensor):
            if leaves_host:
                self._on_host.pop(result, None)  # on a CPU it is the same tensor
            elif from_host or (name in FACTORIES and kwargs.get("device") is None):
                self._on_host[result] = True
        return result


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
