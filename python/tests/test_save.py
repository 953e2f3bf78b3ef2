"""save_file: what is saved comes back, from ecf8 and, where nothing is coded, from safetensors."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch

import ecf8
import ecf8.numpy
import ecf8.torch
from ecf8._numpy_arrays import Array
from test_files import same


def test_numpy(tmp_path: Path, small_tensors: dict[str, Array]) -> None:
    path = tmp_path / "model.safetensors"
    scales = np.arange(40, dtype=np.uint8).view(ml_dtypes.float8_e8m0fnu)
    saved = {**small_tensors, "model.layers.1.e8m0": scales}
    ecf8.numpy.save_file(saved, path, {"format": "np", "by": "me"})
    for source in (path, tmp_path):
        loaded = ecf8.numpy.load_file(source)
        assert loaded.keys() == saved.keys()
        for name, array in saved.items():
            assert loaded[name].dtype == array.dtype and loaded[name].shape == array.shape
            assert loaded[name].tobytes() == array.tobytes(), name
    assert list(tmp_path.iterdir()) == [path]
    assert ecf8.safe_open(path, "np").metadata() == {"format": "np", "by": "me"}
    raw_bytes = sum(array.nbytes for array in saved.values())
    assert path.stat().st_size < 0.9 * raw_bytes


def test_torch(tmp_path: Path, small_model: Path) -> None:
    path = tmp_path / "again.safetensors"
    saved = ecf8.torch.load_file(small_model)
    saved["strided"] = saved["model.layers.0.up.weight"][::3, 5:]
    saved["grad"] = torch.nn.Parameter(torch.ones(2, 2, dtype=torch.bfloat16))
    saved["conj"] = torch.tensor([1 + 2j], dtype=torch.complex64).conj()
    ecf8.torch.save_file(saved, path)
    loaded = ecf8.torch.load_file(path)
    assert loaded.keys() == saved.keys()
    for name, tensor in saved.items():
        assert same(loaded[name], tensor.detach().resolve_conj().contiguous()), name
    assert ecf8.safe_open(path).metadata() == {"format": "pt"}


def test_it_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    for value in (1, 2):
        ecf8.numpy.save_file({"x": np.full(9, value)}, path)
    assert ecf8.numpy.load_file(path)["x"].tolist() == [2] * 9


def test_big_endian_arrays(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    ecf8.numpy.save_file({"x": np.arange(5, dtype=">i4")}, path)
    assert ecf8.numpy.load_file(path)["x"].tolist() == [0, 1, 2, 3, 4]


def test_what_is_refused(tmp_path: Path) -> None:
    one = {"x": np.ones(1, np.float32)}
    with pytest.raises(ecf8.InvalidArgumentError, match="safetensors"):
        ecf8.numpy.save_file(one, tmp_path / "model.bin")
    with pytest.raises(ecf8.InvalidArgumentError, match="__ecf8__"):
        ecf8.numpy.save_file({"__ecf8__.x": one["x"]}, tmp_path / "m.safetensors")
    with pytest.raises(ecf8.NotFoundError):
        ecf8.numpy.save_file(one, tmp_path / "none" / "m.safetensors")
    with pytest.raises(TypeError, match="'text'"):
        ecf8.numpy.save_file({"text": np.array(["a"])}, tmp_path / "m.safetensors")
    with pytest.raises(TypeError, match="'sparse'"):
        ecf8.torch.save_file({"sparse": torch.eye(2).to_sparse()}, tmp_path / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_compress(tmp_path: Path, small_model: Path) -> None:
    plain = small_model.parent / "plain"
    sizes = ecf8.compress(plain, tmp_path / "again")
    stored = sum(file.stat().st_size for file in (tmp_path / "again").iterdir())
    raw = sum(file.stat().st_size for file in plain.iterdir())
    assert sizes == (raw, stored)
    with pytest.raises(ecf8.Error, match="exists") as caught:
        ecf8.compress(plain, tmp_path / "again")
    assert caught.value.code == "ALREADY_EXISTS"
    ecf8.compress(plain, tmp_path / "again", threads=1, replace=True)
    assert (
        ecf8.numpy.load_file(tmp_path / "again").keys() == ecf8.numpy.load_file(small_model).keys()
    )
