"""vLLM's loader of compressed models."""

from __future__ import annotations

import time
from typing import Any, cast

import torch
from vllm.config import ModelConfig, VllmConfig, get_current_vllm_config
from vllm.config.load import LoadConfig
from vllm.logger import init_logger
from vllm.model_executor.model_loader import BaseModelLoader, DefaultModelLoader

from ecf8.torch._checkpoint import Checkpoint
from ecf8.torch._dequantize import DEFAULT_BLOCK, block_size_said
from ecf8.vllm._options import LoaderOptions
from ecf8.vllm._quantization import DequantizedConfig

_logger = init_logger("vllm.ecf8")


class Ecf8ModelLoader(BaseModelLoader):
    """`--load-format ecf8`. `model` is a compressed directory; with "daemon" in
    `--model-loader-extra-config` its configuration is read there, and the weights come from the
    daemon.

    Tensors, rows and experts that vLLM does not use on a rank are not decoded.
    """

    def __init__(self, load_config: LoadConfig) -> None:
        super().__init__(load_config)
        self._options = LoaderOptions.of(cast(Any, load_config.model_loader_extra_config))

    def download_model(self, model_config: ModelConfig) -> None:
        """Nothing is downloaded: raises what `load_weights` would."""
        self._options.open(model_config.model)

    def load_weights(self, model: torch.nn.Module, model_config: ModelConfig) -> None:
        begun = time.perf_counter()
        source = self._options.open(model_config.model_weights or model_config.model)
        dtype = self._dequantized_dtype(model_config)
        said = getattr(model_config.hf_config, "quantization_config", None)
        checkpoint = Checkpoint(source, dtype, block_size_said(said) or DEFAULT_BLOCK)
        loaded = cast(Any, model).load_weights(checkpoint.tensors(ahead=_takes_everything()))
        if dtype is not None and loaded is not None:
            # As for the checkpoint that is not quantised. It looks at nothing of the loader's.
            DefaultModelLoader.track_weights_loading(cast(Any, self), model, loaded, quantized=True)
        _logger.info(
            "Loading weights from %s took %.2f seconds",
            source.description,
            time.perf_counter() - begun,
        )

    def _dequantized_dtype(self, model_config: ModelConfig) -> torch.dtype | None:
        """What FP8 weights become; None: they stay."""
        config = VllmConfig.get_quantization_config(model_config, self.load_config)
        if config is not None and not isinstance(config, DequantizedConfig):
            return None
        return cast(torch.dtype, model_config.dtype)


def _takes_everything() -> bool:
    """Whether this rank is the only one."""
    parallel = get_current_vllm_config().parallel_config
    return bool(parallel.world_size == 1 and not parallel.enable_expert_parallel)
