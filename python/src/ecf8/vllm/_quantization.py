"""What vLLM computes with where `quant_method` is ecf8: FP8, as with the original checkpoint, or
the numbers that this stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from vllm.model_executor.layers.fused_moe import RoutedExperts, UnquantizedFusedMoEMethod
from vllm.model_executor.layers.linear import LinearBase, UnquantizedLinearMethod
from vllm.model_executor.layers.quantization import get_quantization_config
from vllm.model_executor.layers.quantization.base_config import QuantizationConfig
from vllm.platforms import current_platform


class DequantizedConfig(QuantizationConfig):
    """The loader brings plain numbers. `--quantization ecf8_dequantized` asks for them."""

    @classmethod
    def get_name(cls) -> Any:
        return "ecf8_dequantized"

    @classmethod
    def get_supported_act_dtypes(cls) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16, torch.float32]

    @classmethod
    def get_min_capability(cls) -> int:
        return 0

    @staticmethod
    def get_config_filenames() -> list[str]:
        return []

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> QuantizationConfig:
        return cls()

    @classmethod
    def override_quantization_method(
        cls, hf_quant_cfg: dict[str, Any], user_quant: str | None, hf_config: Any = None
    ) -> Any:
        """A user who names this method means it, whatever the platform."""
        name = cls.get_name()
        is_ours = hf_quant_cfg.get("quant_method") == "ecf8"
        return name if is_ours and user_quant == name else None

    def get_quant_method(self, layer: torch.nn.Module, prefix: str) -> Any:
        if isinstance(layer, LinearBase):
            return UnquantizedLinearMethod()
        if isinstance(layer, RoutedExperts):
            return UnquantizedFusedMoEMethod(layer.moe_config)
        return None


class Fp8Config(DequantizedConfig):
    """What the original's configuration says. `--quantization ecf8_fp8` asks for it."""

    @classmethod
    def get_name(cls) -> Any:
        return "ecf8_fp8"

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> QuantizationConfig:
        base = dict(config.get("base") or {})
        if not base.get("quant_method"):
            raise ValueError("the original's config.json has no quantization_config")
        method = (
            str(base["quant_method"]).lower().replace("compressed_tensors", "compressed-tensors")
        )
        base["quant_method"] = method
        original: QuantizationConfig = get_quantization_config(method).from_config(base)
        return original


class Ecf8Config(DequantizedConfig):
    """FP8 where the platform has kernels for it, numbers on the CPU."""

    @classmethod
    def get_name(cls) -> Any:
        return "ecf8"

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> QuantizationConfig:
        if config.get("base") and _has_fp8_kernels():
            return Fp8Config.from_config(config)
        return DequantizedConfig()


METHODS: Mapping[str, type[QuantizationConfig]] = {
    config.get_name(): config for config in (Ecf8Config, Fp8Config, DequantizedConfig)
}


def _has_fp8_kernels() -> bool:
    """Also where they multiply in BF16, as on GPUs that are older than FP8."""
    return bool(current_platform.is_cuda_alike() or current_platform.is_xpu())
