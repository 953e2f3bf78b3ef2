"""What a framework must do for tensors to be read into its memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeVar

from ecf8 import _native

Framework = Literal["pt", "torch", "pytorch", "np", "numpy"]

T = TypeVar("T")


class Arrays(Protocol[T]):
    """Makes tensors of type T, and shows their memory as bytes."""

    def empty(self, dtype: str, shape: Sequence[int], size_bytes: int) -> tuple[T, Any]:
        """A new tensor of a safetensors dtype, and its memory as a flat array of uint8 that the
        native code may fill. In host memory."""

    def finish(self, tensor: T, device: str) -> T:
        """The tensor, filled, on `device`."""

    def view(
        self,
        lease: _native.Lease,
        unit: int,
        info: _native.TensorInfo,
        shape: Sequence[int] | None,
    ) -> T:
        """A tensor, or part of one, of the lease's `unit`th unit, where it is; flat without a
        shape."""

    def copy(self, tensor: T) -> T:
        """In memory of its own."""

    def take(self, tensor: T, index: tuple[Any, ...]) -> T:
        """tensor[index], in memory of its own size."""


def arrays_of(framework: str) -> Arrays[Any]:
    """Imports what the framework needs. ValueError for one that is not known."""
    if framework in ("pt", "torch", "pytorch"):
        from ecf8.torch._arrays import TORCH

        return TORCH
    if framework in ("np", "numpy"):
        from ecf8._numpy_arrays import NUMPY

        return NUMPY
    raise ValueError(f"the framework is 'pt' or 'np', not {framework!r}")
