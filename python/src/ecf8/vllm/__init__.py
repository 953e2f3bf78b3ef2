"""vLLM: compressed models by `--load-format ecf8`.

    vllm serve MODEL-ecf8 --load-format ecf8
    vllm serve MODEL-ecf8 --load-format ecf8 --model-loader-extra-config '{"daemon": "unix:/run/s"}'

vLLM finds this by the entry point `vllm.general_plugins`; nobody needs to import it.
"""

from __future__ import annotations

__all__ = ["register"]


def register() -> None:
    """What vLLM calls in each of its processes, perhaps more than once."""
    from vllm.model_executor.layers.quantization import (
        QUANTIZATION_METHODS,
        register_quantization_config,
    )
    from vllm.model_executor.model_loader import register_model_loader

    from ecf8.vllm._loader import Ecf8ModelLoader
    from ecf8.vllm._quantization import METHODS

    if set(METHODS) <= set(QUANTIZATION_METHODS):
        return
    for name, config in METHODS.items():
        register_quantization_config(name)(config)
    register_model_loader("ecf8")(Ecf8ModelLoader)
