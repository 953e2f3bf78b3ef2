"""Losslessly compressed FP8 weights as tensors.

    with ecf8.safe_open("SmolLM2-ecf8", framework="pt") as f:
        weight = f.get_tensor("model.layers.0.mlp.up_proj.weight")  # the original bytes

`ecf8.torch` and `ecf8.numpy` load and save whole files, in the shape of the package safetensors.
docs/PYTHON.md of the project has examples of everything.
"""

from ecf8 import _transformers_hook
from ecf8._compress import CompressedSizes, compress
from ecf8._daemon import Daemon, ServedModel, connect
from ecf8._errors import (
    CancelledError,
    DataLossError,
    DeadlineExceededError,
    Error,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
)
from ecf8._files import TensorSlice, safe_open
from ecf8._session import Lease, Session

__all__ = [
    "CancelledError",
    "CompressedSizes",
    "Daemon",
    "DataLossError",
    "DeadlineExceededError",
    "Error",
    "FailedPreconditionError",
    "InvalidArgumentError",
    "Lease",
    "NotFoundError",
    "ResourceExhaustedError",
    "ServedModel",
    "Session",
    "TensorSlice",
    "UnavailableError",
    "compress",
    "connect",
    "safe_open",
]

_transformers_hook.register_when_imported()
