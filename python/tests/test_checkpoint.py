"""Tensors that come one after the other, and are read when they are used: what vLLM is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import ecf8
import hf_models
from conftest import to_torch
from daemon import OwnDaemon
from ecf8._numpy_arrays import Array
from ecf8.torch._attach import open_source
from ecf8.torch._checkpoint import Checkpoint
from ecf8.torch._dequantize import BlockScales
from ecf8.torch._directory_source import DirectorySource
from ecf8.torch._lazy import LazyTensor
from ecf8.torch._source import Source

WEIGHT = "model.layers.0.mlp.down_proj.weight"


class Counting(DirectorySource):
    """Remembers what was read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.reads: list[tuple[str, int, int]] = []

    def read(self, names: Sequence[str]) -> dict[str, Tensor]:
        self.reads += [(name, 0, -1) for name in names]
        return super().read(names)

    def read_rows(self, name: str, begin: int, end: int) -> Tensor:
        self.reads.append((name, begin, end))
        return super().read_rows(name, begin, end)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("llama")
    hf_models.save(hf_models.llama_config(), directory / "plain", seed=7)
    ecf8.compress(directory / "plain", directory / "packed")
    return directory / "packed"


@pytest.fixture(scope="module")
def values(llama: Path) -> dict[str, Tensor]:
    """What the checkpoint stands for, in BF16."""
    stored = load_file(llama.parent / "plain" / "model.safetensors")
    found = {}
    for name, tensor in stored.items():
        scales = stored.get(f"{name}_scale_inv")
        if not name.endswith("_scale_inv"):
            found[name] = tensor if scales is None else hf_models.dequantize(tensor, scales)
    return found


def same(one: Tensor, other: Tensor) -> bool:
    return (
        one.dtype == other.dtype
        and one.shape == other.shape
        and one.contiguous()
        .view(-1)
        .view(torch.uint8)
        .equal(other.contiguous().view(-1).view(torch.uint8))
    )


@pytest.mark.parametrize("ahead", [False, True])
def test_stored_tensors(
    small_model: Path, small_tensors: dict[str, Array], daemon: OwnDaemon, ahead: bool
) -> None:
    sources: list[Source] = [
        open_source(small_model),
        open_source(daemon.connect().model(daemon.model)),
    ]
    for source in sources:
        seen = []
        for name, tensor in Checkpoint(source).tensors(ahead=ahead):
            wanted = to_torch(small_tensors[name])
            assert tensor.dtype == wanted.dtype and tensor.shape == wanted.shape
            assert same(tensor.clone(), wanted)
            if tensor.dim() > 0:
                end = len(tensor)
                assert same(tensor[end // 3 : end - 1].clone(), wanted[end // 3 : end - 1])
            seen.append(name)
        assert sorted(seen) == sorted(small_tensors)


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_what_they_stand_for(
    llama: Path, values: dict[str, Tensor], ahead: bool, dtype: torch.dtype
) -> None:
    seen = []
    for name, tensor in Checkpoint(DirectorySource(llama), dtype).tensors(ahead=ahead):
        wanted = values[name]
        if dtype == torch.bfloat16:
            assert same(tensor.clone(), wanted)
            for begin, end in ((0, 1), (5, 9), (128, 130), (100, len(wanted))):
                assert same(tensor[begin:end].clone(), wanted[begin:end])
        else:
            assert tensor.clone().bfloat16().equal(wanted)
        seen.append(name)
    assert sorted(seen) == sorted(values)


def lazy(source: DirectorySource, name: str = WEIGHT) -> LazyTensor:
    found = dict(Checkpoint(source, torch.bfloat16).tensors(ahead=False))[name]
    assert isinstance(found, LazyTensor)
    return found


def test_only_the_rows_that_are_used(llama: Path, values: dict[str, Tensor]) -> None:
    source = Counting(llama)
    tensor, wanted = lazy(source), values[WEIGHT]
    assert source.reads == []
    out = torch.zeros(128, 512, dtype=torch.bfloat16)
    out.copy_(tensor.narrow(0, 0, 256).narrow(0, 128, 128).detach())
    assert same(out, wanted[128:])
    assert [read for read in source.reads if read[0] == WEIGHT] == [(WEIGHT, 128, 256)]
    source.reads.clear()
    with torch.inference_mode():  # where other operations reach a tensor
        assert same(tensor.narrow(0, -3, 2).clone(), wanted[-3:-1])
        assert same(tensor[200].clone(), wanted[200])
    assert [read for read in source.reads if read[0] == WEIGHT] == [
        (WEIGHT, 128, 255),
        (WEIGHT, 128, 201),
    ]


def test_operations_on_lazy_tensors(llama: Path, values: dict[str, Tensor]) -> None:
    tensor, wanted = lazy(DirectorySource(llama)), values[WEIGHT]
    cases: list[Any] = [
        lambda t: t.narrow(1, 128, 256),
        lambda t: t[..., 3:7],
        lambda t: t[3:9, 2],
        lambda t: t[-1],
        lambda t: t[::2],
        lambda t: t.t().contiguous(),
        lambda t: t.chunk(2, 0)[1],
        lambda t: t.view(4, 64, 512),
        lambda t: t.to(torch.float32),
        lambda t: t + 1,
        lambda t: torch.cat([t, t]),
        lambda t: t.data[4:5].clone(),
    ]
    for case in cases:
        assert same(case(tensor).clone(), case(wanted))
    with pytest.raises((RuntimeError, IndexError)):
        tensor.narrow(0, 200, 100).clone()
    for out in (
        torch.zeros(256, 512),
        torch.zeros(512, 256, dtype=torch.bfloat16).t(),
        torch.zeros(2, 256, 512, dtype=torch.bfloat16),
    ):
        assert out.copy_(tensor).bfloat16().equal(wanted.expand(out.shape))
    assert tensor[0, 0].item() == wanted[0, 0].item()


@pytest.mark.parametrize("kind", ["directory", "daemon"])
def test_rows_that_are_not_there(kind: str, small_model: Path, daemon: OwnDaemon) -> None:
    name = "model.layers.0.up.weight"
    source = open_source(
        small_model if kind == "directory" else daemon.connect().model(daemon.model)
    )
    for begin, end in ((2999, 3001), (-1, 4), (5, 4)):
        with pytest.raises(ecf8.InvalidArgumentError, match="has 3000 rows, and none from"):
            source.read_rows(name, begin, end)
    with pytest.raises(ecf8.InvalidArgumentError, match="has 0 rows"):
        source.read_rows("scalar", 0, 1)


def test_scales_as_checkpoints_have_them() -> None:
    weights = torch.arange(64 * 48).remainder(100).view(64, 48).to(torch.float8_e4m3fn)
    one = torch.full((64, 48), 0.5)
    rows = torch.rand(64)
    for values, spread in (
        (None, torch.ones(64, 48)),
        (torch.tensor(0.5), one),
        (torch.tensor([[0.5]]), one),
        (torch.tensor([[126]], dtype=torch.uint8), one),
        (rows, rows.view(64, 1).expand(64, 48)),
        (rows.view(64, 1), rows.view(64, 1).expand(64, 48)),
    ):
        scales = BlockScales.of("w", weights.dtype, (64, 48), values, (128, 128))
        wanted = weights.float() * spread
        for begin, end in ((0, 64), (7, 9), (63, 64)):
            out = torch.empty(end - begin, 48)
            scales.rows(begin, end).dequantize(weights[begin:end], out)
            assert out.equal(wanted[begin:end])
    with pytest.raises(TypeError, match="3 dimensions"):
        BlockScales.of("w", weights.dtype, (2, 2, 2), None, (128, 128))
    with pytest.raises(ecf8.InvalidArgumentError, match="scales of"):
        BlockScales.of("w", weights.dtype, (64, 48), torch.ones(5, 5), (128, 128))


def test_damage_is_an_error(llama: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in llama.iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    shard = damaged / "model.safetensors"
    content = bytearray(shard.read_bytes())
    for at in range(len(content) // 2, len(content) // 2 + 4096):
        content[at] ^= 0xFF
    shard.write_bytes(content)
    for ahead in (False, True):
        with pytest.raises(ecf8.DataLossError):
            for _, tensor in Checkpoint(DirectorySource(damaged)).tensors(ahead=ahead):
                tensor.clone()
