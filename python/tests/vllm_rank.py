"""One rank of vLLM that loads a model and tells what it has then: a digest of each parameter, and
what it read. `python vllm_rank.py DIRECTORY RANK RANKS MEETING_FILE [FLAG=JSON...]`; the flags are
arguments of `EngineArgs`. Several of them are one tensor-parallel group.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from vllm.config import set_current_vllm_config
from vllm.distributed import init_distributed_environment, initialize_model_parallel
from vllm.engine.arg_utils import EngineArgs
from vllm.model_executor.model_loader import get_model_loader
from vllm.model_executor.model_loader.utils import initialize_model
from vllm.utils.torch_utils import set_default_torch_dtype

from ecf8.torch._directory_source import DirectorySource

READ: dict[str, int] = {}


def remember_rows() -> None:
    """How many rows of each tensor are read."""
    read, read_rows = DirectorySource.read, DirectorySource.read_rows

    def counting_read(self: DirectorySource, names: Any) -> dict[str, Tensor]:
        found = read(self, names)
        for name, tensor in found.items():
            READ[name] = READ.get(name, 0) + (len(tensor) if tensor.dim() else 1)
        return found

    def counting_rows(self: DirectorySource, name: str, begin: int, end: int) -> Tensor:
        READ[name] = READ.get(name, 0) + end - begin
        return read_rows(self, name, begin, end)

    DirectorySource.read = counting_read  # type: ignore[method-assign]
    DirectorySource.read_rows = counting_rows  # type: ignore[method-assign]


def digest(tensor: Tensor) -> str:
    memory: Any = tensor.detach().contiguous().view(-1).view(torch.uint8).numpy()
    return hashlib.sha256(memory).hexdigest()


def main() -> None:
    directory, rank, ranks, meeting, *flags = sys.argv[1:]
    options: dict[str, Any] = {}
    for flag in flags:
        name, _, value = flag.partition("=")
        options[name] = json.loads(value)
    remember_rows()
    os.environ["VLLM_DIST_IDENT"] = (
        f"ecf8-{Path(meeting).parent.name}"  # of the group's shared memory
    )
    arguments = EngineArgs(
        model=directory, tensor_parallel_size=int(ranks), max_model_len=256, **options
    )
    config = arguments.create_engine_config()
    with set_current_vllm_config(config):
        init_distributed_environment(
            int(ranks), int(rank), f"file://{meeting}", int(rank), backend="gloo"
        )
        initialize_model_parallel(int(ranks))
        with set_default_torch_dtype(config.model_config.dtype):
            model = initialize_model(vllm_config=config, model_config=config.model_config)
            get_model_loader(config.load_config).load_weights(model, config.model_config)
        parameters = {name: digest(tensor) for name, tensor in model.named_parameters()}
        dtypes = {name: str(tensor.dtype) for name, tensor in model.named_parameters()}
    print(json.dumps({"parameters": parameters, "dtypes": dtypes, "read": READ}))


if __name__ == "__main__":
    main()
