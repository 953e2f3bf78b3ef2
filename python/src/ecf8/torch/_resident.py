"""The parameters and buffers of an attached model that stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ecf8._errors import from_status
from ecf8.torch._source import Source, Stored


class Place(NamedTuple):
    """Where a module keeps a tensor."""

    module: nn.Module
    leaf: str
    is_buffer: bool

    def get(self) -> Tensor:
        kept = self.module._buffers if self.is_buffer else self.module._parameters
        tensor = kept[self.leaf]
        assert tensor is not None
        return tensor

    def put(self, tensor: Tensor) -> None:
        if self.is_buffer:
            self.module._buffers[self.leaf] = tensor
        else:
            self.module._parameters[self.leaf] = (
                tensor
                if isinstance(tensor, nn.Parameter)
                else nn.Parameter(tensor, requires_grad=False)
            )


class Resident:
    """Fills a model, and can undo it."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device = device
        self._dtype = dtype
        self._before: list[tuple[Place, Tensor]] = []
        self.size_bytes = 0

    def fill(self, model: nn.Module, source: Source, tensors: Mapping[str, Stored]) -> None:
        """Gives every parameter and buffer that the source knows its value. NotFoundError where one
        is left that has none."""
        names: dict[str, list[Place]] = {}
        for tensor_names, places in _tensors(model):
            known = [name for name in tensor_names if name in tensors]
            if known:
                names[known[0]] = places
        wide = _kept_in_f32(model, self._dtype)
        for name, read in source.read(list(names)).items():
            if read.is_floating_point():
                is_wide = any(part in name for part in wide)
                read = read.to(torch.float32 if is_wide else self._dtype)
            self._put(name, names[name], read.to(self._device))
        self._recompute_buffers(model)
        for tensor_names, places in _tensors(model):
            if places[0].get().is_meta:
                raise from_status(
                    "NOT_FOUND",
                    f"{source.description} has no tensor {tensor_names[0]!r}; the model needs it",
                    tensor=tensor_names[0],
                )

    def undo(self) -> None:
        for place, tensor in reversed(self._before):
            place.put(tensor)
        self._before.clear()

    def _put(self, name: str, places: list[Place], read: Tensor) -> None:
        shape = places[0].get().shape
        if read.shape != shape:
            raise from_status(
                "INVALID_ARGUMENT",
                f"{name!r} has the shape {list(read.shape)}, the model wants {list(shape)}",
                tensor=name,
            )
        self.size_bytes += read.nbytes
        there = places[0].get()
        if not there.is_meta and (there.dtype, there.device) == (read.dtype, read.device):
            there.data.copy_(read)
            there.requires_grad_(False)
            return
        value = read if places[0].is_buffer else nn.Parameter(read, requires_grad=False)
        for place in places:
            self._before.append((place, place.get()))
            place.put(value)

    def _recompute_buffers(self, model: nn.Module) -> None:
        """Those that no checkpoint has, such as the frequencies of rotary embeddings, as
        transformers does it."""
        owners: list[tuple[str, nn.Module]] = []
        for path, module in model.named_modules():
            if hasattr(module, "_init_weights"):
                owners.append((path, module))
            meta = [leaf for leaf, b in module._buffers.items() if b is not None and b.is_meta]
            if not meta:
                continue
            near = [
                owner for at, owner in owners if not at or path == at or path.startswith(f"{at}.")
            ]
            if not near:
                continue
            for leaf in meta:
                place = Place(module, leaf, True)
                self._before.append((place, place.get()))
                place.put(torch.empty_like(place.get(), device=self._device))
            with torch.no_grad():
                near[-1]._init_weights(module)  # type: ignore[operator]


def _kept_in_f32(model: nn.Module, dtype: torch.dtype) -> list[str]:
    """Parts of the names of what transformers keeps so when it loads a model in `dtype`."""
    plan = getattr(model, "_get_dtype_plan", None)
    return [] if plan is None else list(plan(dtype))


def _tensors(model: nn.Module) -> Iterator[tuple[list[str], list[Place]]]:
    """Every parameter and buffer, by all its names; those that are one tensor together."""
    found: dict[int, tuple[list[str], list[Place]]] = {}
    for path, module in model.named_modules():
        for is_buffer, kept in ((False, module._parameters), (True, module._buffers)):
            for leaf, tensor in kept.items():
                if tensor is not None:
                    names, places = found.setdefault(id(tensor), ([], []))
                    names.append(f"{path}.{leaf}" if path else leaf)
                    places.append(Place(module, leaf, is_buffer))
    yield from found.values()
