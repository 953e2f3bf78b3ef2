"""safe_open and load_file beside the package safetensors."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

import ecf8
import ecf8.numpy
import ecf8.torch
from ecf8._numpy_arrays import Array

UP = "model.layers.0.up.weight"


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Types, shapes and bytes."""
    return (
        a.dtype == b.dtype
        and a.shape == b.shape
        and a.reshape(-1).view(torch.uint8).equal(b.reshape(-1).view(torch.uint8))
    )


def test_small_model_in_numpy(small_model: Path, small_tensors: dict[str, Array]) -> None:
    loaded = ecf8.numpy.load_file(small_model)
    assert loaded.keys() == small_tensors.keys()
    for name, array in small_tensors.items():
        assert loaded[name].dtype == array.dtype, name
        assert loaded[name].shape == array.shape, name
        assert loaded[name].tobytes() == array.tobytes(), name
        assert loaded[name].flags.writeable and loaded[name].flags.c_contiguous


def test_small_model_in_torch(small_model: Path) -> None:
    stock = safetensors.torch.load_file(small_model.parent / "plain" / "model.safetensors")
    loaded = ecf8.torch.load_file(small_model, threads=3)
    assert loaded.keys() == stock.keys()
    for name in stock:
        assert same(loaded[name], stock[name]), name


def test_whole_real_models(real_model: tuple[Path, Path]) -> None:
    plain, packed = real_model
    stock = safetensors.torch.load_file(plain / "model.safetensors")
    loaded = ecf8.torch.load_file(packed)
    assert loaded.keys() == stock.keys()
    coded = 0
    for name in stock:
        assert same(loaded[name], stock[name]), name
        coded += loaded[name].dtype == torch.float8_e4m3fn
    assert coded > 20
    with (
        ecf8.safe_open(packed, "pt") as ours,
        safetensors.safe_open(plain / "model.safetensors", "pt") as theirs,
    ):
        assert ours.keys() == sorted(theirs.keys())
        assert ours.metadata() == theirs.metadata()
        for name in theirs.keys()[::7]:
            assert same(ours.get_tensor(name), theirs.get_tensor(name)), name


def test_a_shard_by_its_file(small_model: Path, small_tensors: dict[str, Array]) -> None:
    (shard,) = small_model.glob("*.safetensors")
    with ecf8.safe_open(shard, framework="np") as f:
        assert f.keys() == sorted(small_tensors)
        assert sorted(f.offset_keys()) == f.keys()
        assert f.metadata() == {"format": "pt", "note": "kept"}
        assert len(f.digest) == 16
        assert f.get_tensor(UP).tobytes() == small_tensors[UP].tobytes()
        several = f.get_tensors(["scalar", UP])
        assert several["scalar"] == np.float32(7.5) and several["scalar"].shape == ()
        assert several[UP].tobytes() == small_tensors[UP].tobytes()


@pytest.mark.parametrize(
    "index",
    [
        (slice(0, 1),),
        (slice(2, 2052),),
        (slice(None),),
        (slice(-3, None),),
        (slice(10, 10),),
        (slice(2000, 1000),),
        (4,),
        (-1, slice(5, 9)),
        (slice(7, 900), 3),
        (slice(7, 900), slice(1000, 5000)),
        (..., slice(0, 2)),
        (..., 5),
        (slice(1, 3), ...),
        (2, 3),
        (),
        (...,),
    ],
)
def test_slices(small_model: Path, small_tensors: dict[str, Array], index: tuple[object]) -> None:
    with ecf8.safe_open(small_model, "np") as f, ecf8.safe_open(small_model, "pt") as g:
        for name in (UP, "model.layers.1.up.weight"):
            wanted = small_tensors[name][index]  # type: ignore[index]
            part = f.get_slice(name)
            assert part.get_shape() == list(small_tensors[name].shape)
            assert part.get_dtype() == "F8_E4M3"
            read = part[index]  # type: ignore[index]
            assert read.shape == wanted.shape and read.dtype == wanted.dtype
            assert read.tobytes() == wanted.tobytes()
            tensor = g.get_slice(name)[index]  # type: ignore[index]
            assert tuple(tensor.shape) == wanted.shape
            assert bytes(tensor.reshape(-1).view(torch.uint8).tolist()) == wanted.tobytes()


def test_slices_hold_no_more_than_they_show(small_model: Path) -> None:
    with ecf8.safe_open(small_model) as f:
        column = f.get_slice(UP)[:, 0:1]
        assert column.untyped_storage().nbytes() == 3000
        with ecf8.safe_open(small_model, "np") as g:
            assert g.get_slice(UP)[:, 0:1].base is None
        assert f.get_slice("scalar")[()].item() == 7.5
        assert f.get_slice("nothing")[0:0].shape == (0, 3)
        assert f.get_slice("nothing8")[1:3].shape == (2, 0)


@pytest.mark.parametrize("index", [slice(0, 9, 2), slice(9, 0, -1), (0, 0, 0, 0), 3000, "x", None])
def test_indices_that_are_refused(small_model: Path, index: object) -> None:
    with ecf8.safe_open(small_model) as f, pytest.raises((ValueError, IndexError, TypeError)):
        f.get_slice(UP)[index]  # type: ignore[index]


def test_what_was_closed_raises(small_model: Path) -> None:
    with ecf8.safe_open(small_model) as f:
        kept = f.get_tensor(UP)
        part = f.get_slice(UP)
    assert kept.shape == (3000, 1024)
    assert part[0].shape == (1024,)  # a slice keeps what it needs
    with pytest.raises(ValueError, match="closed"):
        f.get_tensor(UP)
    with pytest.raises(ValueError, match="closed"):
        f.keys()


def test_what_is_not_there(small_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ecf8.NotFoundError, match="nowhere") as caught:
        ecf8.safe_open(tmp_path / "nowhere")
    assert caught.value.code == "NOT_FOUND"
    with pytest.raises(ecf8.NotFoundError):
        ecf8.safe_open(small_model.parent / "plain")
    with pytest.raises(ecf8.NotFoundError):
        ecf8.torch.load_file(small_model.parent / "plain" / "model.safetensors")
    with ecf8.safe_open(small_model) as f, pytest.raises(LookupError, match='"no such"'):
        f.get_tensor("no such")
    with pytest.raises(ValueError, match="framework"):
        ecf8.safe_open(small_model, framework="jax")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cuda"):
        ecf8.safe_open(small_model, "np", device="cuda:0").get_tensor(UP)


def test_damage_is_told_with_its_place(small_model: Path, tmp_path: Path) -> None:
    (shard,) = small_model.glob("*.safetensors")
    content = bytearray(shard.read_bytes())
    content[len(content) // 3] ^= 1
    damaged = tmp_path / shard.name
    damaged.write_bytes(content)
    with pytest.raises(ecf8.DataLossError) as caught:
        ecf8.numpy.load_file(damaged)
    error = caught.value
    assert error.code == "DATA_LOSS"
    assert error.tensor == UP
    assert error.unit == "layers.0"
    assert error.shard == shard.name
    assert 0 < error.offset_bytes <= len(content) // 3


def test_two_models_in_one_directory_are_not_taken_for_one(tmp_path: Path) -> None:
    for name in ("a", "b"):
        array = {name: np.ones(3, np.float32)}
        ecf8.numpy.save_file(array, tmp_path / f"{name}.safetensors")
    with pytest.raises(ecf8.FailedPreconditionError, match="two models"):
        ecf8.safe_open(tmp_path, "np")
    assert list(ecf8.numpy.load_file(tmp_path / "b.safetensors")) == ["b"]


def test_decoding_does_not_hold_the_gil(
    real_model: tuple[Path, Path],
) -> None:
    import sys

    order: list[str] = []
    go = threading.Lock()
    go.acquire()

    def other() -> None:
        with go:
            order.append("other")

    thread = threading.Thread(target=other)
    thread.start()
    # From here on a thread gives the GIL away only where it waits or lets go of it.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        with ecf8.safe_open(real_model[1], "np") as f:
            names = f.keys()
            file = f._opened
            memory = [np.empty(file.size_bytes(name), np.uint8) for name in names]
            ranges = [(name, 0, out) for name, out in zip(names, memory, strict=True)]
            go.release()
            file.read(ranges, 1)
            order.append("read")
    finally:
        sys.setswitchinterval(interval)
    thread.join()
    assert order == ["other", "read"]


def test_many_threads_read_at_once(small_model: Path, small_tensors: dict[str, Array]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ecf8.safe_open(small_model, "np", threads=2) as f, ThreadPoolExecutor(8) as pool:
        for name, read in pool.map(lambda n: (n, f.get_tensor(n)), f.keys() * 5):
            assert read.tobytes() == small_tensors[name].tobytes(), name
