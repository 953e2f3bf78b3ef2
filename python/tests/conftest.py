"""Models that the tests read: a small one of every dtype, and the real ones that `tools/test
python-package` has made."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import ecf8
from daemon import OwnDaemon
from ecf8._numpy_arrays import NAMES, Array
from ecf8.torch._arrays import DTYPES

# Small models gain nothing from more, and lose much where others use the machine.
torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "build" / "models"


def fp8(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Weights whose exponents cluster as trained ones' do."""
    return random.normal(0, 0.05, shape).astype(np.float32).astype(ml_dtypes.float8_e4m3fn)


def to_torch(array: Array) -> torch.Tensor:
    memory = torch.frombuffer(bytearray(array.tobytes() or b" "), dtype=torch.uint8)[: array.nbytes]
    return memory.view(DTYPES[NAMES[array.dtype]]).reshape(array.shape)


@pytest.fixture(scope="session")
def small_tensors() -> dict[str, Array]:
    """Every dtype, tensors of several chunks, scalars, tensors without elements."""
    random = np.random.default_rng(1)
    tensors: dict[str, Array] = {
        "model.layers.0.up.weight": fp8(random, (3000, 1024)),
        "model.layers.0.down.weight": fp8(random, (1, 129)),
        "model.layers.1.up.weight": fp8(random, (7, 5, 400)),
        "model.layers.1.e5m2": random.normal(0, 1, (300, 300)).astype(ml_dtypes.float8_e5m2),
        "model.norm.weight": random.normal(0, 1, 64).astype(ml_dtypes.bfloat16),
        "scalar": np.array(7.5, np.float32),
        "nothing": np.empty((0, 3), np.float32),
        "nothing8": np.empty((5, 0), ml_dtypes.float8_e4m3fn),
        "mask": np.array([[True, False, True]]),
    }
    for kind in ("u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8", "c8"):
        tensors[f"kind.{kind}"] = random.integers(0, 100, (5, 4)).astype(kind)
    return tensors


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory, small_tensors: dict[str, Array]) -> Path:
    """A compressed directory of `small_tensors`; the plain one lies beside it."""
    directory = tmp_path_factory.mktemp("small")
    plain = directory / "plain"
    plain.mkdir()
    # The package's own NumPy side knows no FP8.
    tensors = {name: to_torch(array) for name, array in small_tensors.items()}
    save_file(tensors, plain / "model.safetensors", {"format": "pt", "note": "kept"})
    (plain / "config.json").write_text('{"model_type": "llama"}\n')
    ecf8.compress(plain, directory / "packed")
    return directory / "packed"


@pytest.fixture(scope="session", params=["minilm", "smollm2"])
def real_model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A real model's FP8 checkpoint, and it compressed."""
    plain = MODELS / f"{request.param}-block"
    assert plain.is_dir(), f"tools/fetch_model {request.param} {plain} --recipe block"
    packed = tmp_path_factory.mktemp("real") / str(request.param)
    ecf8.compress(plain, packed)
    return plain, packed


@pytest.fixture
def daemon(small_model: Path) -> Iterator[OwnDaemon]:
    """A daemon that serves `small_model`."""
    with tempfile.TemporaryDirectory(prefix="ecf8-") as place:
        own = OwnDaemon(Path(place), small_model)
        yield own
        own.stop()
