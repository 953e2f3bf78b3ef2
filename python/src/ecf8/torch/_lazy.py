"""Tensors that are read when somebody wants their values, and of their rows only those."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

_ATEN = torch.ops.aten
_SAME = (_ATEN.detach.default, _ATEN.alias.default)
# Also where nothing has taken `narrow` apart: in inference mode.
_NARROW = _ATEN.narrow.default
_SLICE = _ATEN.slice.Tensor
_SELECT = _ATEN.select.int
_COPY = _ATEN.copy_.default
_WHOLE_SLICE: list[Any] = [0, None, None, 1]
_CPU = torch.device("cpu")


def _ordinary() -> Any:
    """In inference mode: a view of a tensor is to be of the same kind as the tensor."""
    return torch.inference_mode(False)


class Rows(Protocol):
    """What a lazy tensor is read from."""

    dtype: torch.dtype
    shape: Sequence[int]
    """One dimension at least."""

    def read(self, begin: int, end: int) -> Tensor:
        """Rows [begin, end)."""

    def read_into(self, begin: int, end: int, out: Tensor) -> None:
        """The same into `out`, which has the shape and any dtype and device."""


class LazyTensor(Tensor):
    """Rows of a tensor that has not been read, in host memory as it appears. Taking some of them
    makes another such tensor; whatever else is done with it reads it, each time anew.
    """

    _rows: Rows
    _begin: int

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, rows: Rows, begin: int, end: int) -> LazyTensor:
        shape = [end - begin, *rows.shape[1:]]
        with _ordinary():
            made = Tensor._make_wrapper_subclass(cls, shape, dtype=rows.dtype, device=_CPU)
        made._rows = rows
        made._begin = begin
        return made

    def read(self) -> Tensor:
        """Its values, in an ordinary tensor."""
        with _ordinary():
            return self._rows.read(self._begin, self._begin + len(self))

    def _part(self, begin: int, end: int) -> LazyTensor:
        return LazyTensor(self._rows, self._begin + begin, self._begin + end)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        first: Any = args[0] if args else None
        if isinstance(first, LazyTensor):
            taken = _take(first, func, args[1:])
            if taken is not None:
                return taken
        elif func is _COPY and isinstance(args[1], LazyTensor) and args[1].shape == first.shape:
            source = args[1]
            source._rows.read_into(source._begin, source._begin + len(source), first)
            return first
        return func(*tree_map(_read, args), **tree_map(_read, kwargs or {}))


def _read(value: Any) -> Any:
    return value.read() if isinstance(value, LazyTensor) else value


def _take(tensor: LazyTensor, func: Any, arguments: tuple[Any, ...]) -> Tensor | None:
    """What `func` makes of the rows without reading others; None where it needs them all."""
    if func in _SAME:
        return tensor._part(0, len(tensor))
    if func is _NARROW and arguments[0] == 0:
        _, begin, count = arguments
        begin = begin + len(tensor) if begin < 0 else begin
        if begin >= 0 and count >= 0 and begin + count <= len(tensor):
            return tensor._part(begin, begin + count)
    if func is _SLICE:
        dim, begin, end, step = [*arguments, *_WHOLE_SLICE[len(arguments) :]]
        if dim == 0 and step == 1:
            begin, end, _ = slice(begin, end).indices(len(tensor))
            return tensor._part(begin, max(begin, end))
    if func is _SELECT and arguments[0] == 0:
        row = arguments[1] % len(tensor)
        return tensor._part(row, row + 1).read()[0]
    return None
