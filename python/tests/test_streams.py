"""Groups of weights, in whatever order they are asked for."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import ecf8.torch
from ecf8.torch._attach import open_source
from ecf8.torch._source import Groups, Held, StreamOptions
from test_attach import llama, served, source

__all__ = ["llama", "served", "source"]  # fixtures

KINDS = ("mlp.up_proj", "mlp.down_proj", "self_attn.o_proj")


def names(layer: int, kinds: tuple[str, ...] = KINDS) -> list[str]:
    return [f"model.layers.{layer}.{kind}.weight" for kind in kinds]


def check(held: Held, wanted: Sequence[str], tensors: dict[str, Tensor]) -> None:
    assert list(held.tensors) == list(wanted)
    for name, tensor in held.tensors.items():
        assert tensor.dtype == tensors[name].dtype
        assert tensor.view(torch.uint8).equal(tensors[name].view(torch.uint8)), name


@pytest.mark.parametrize(("slots", "loose_slots"), [(1, 1), (2, 2), (3, 1)])
def test_any_order(llama: Path, source: Any, slots: int, loose_slots: int) -> None:
    """Layers 0 to 3 are a walk, 4 and 5 come when they are hinted at, or without."""
    tensors = ecf8.torch.load_file(llama)
    groups = Groups([names(layer) for layer in range(4)], [names(4), names(5, KINDS[:1])])
    options = StreamOptions(slots, loose_slots, torch.device("cpu"), 60, 0)
    every = [*groups.walk, *groups.loose]
    stream = open_source(source).stream(groups, options)
    choose = random.Random(slots)
    orders = [[0, 1, 2, 3] * 3, [0, 4, 1, 5, 4, 2, 3, 5], [3, 2, 1, 0, 2, 2, 0, 3]]
    orders += [[choose.randrange(6) for _ in range(40)]]
    for order in orders:
        for place, group in enumerate(order):
            stream.hint([later for later in order[place : place + 3] if later >= 4])
            held = stream.acquire(group)
            check(held, every[group], tensors)
            following = order[(place + 1) % len(order)]
            if group < 4 <= following:
                loose = stream.acquire(following)  # beside it
                check(loose, every[following], tensors)
                loose.release()
                check(held, every[group], tensors)
            held.release()
    stream.close()
