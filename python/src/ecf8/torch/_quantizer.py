"""What transformers does with a directory whose `quant_method` is ecf8."""

from __future__ import annotations

import os
from typing import Any

import torch
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from ecf8.torch._attach import Attachment, open_source
from ecf8.torch._dequantize import block_size_said

# The coded tensors, and ecf8's own: the loader of transformers meets them in the files.
_NOT_TO_BE_LOADED = {r"^__ecf8__\.", r"\.weight$", r"_scale(_inv)?$"}


@register_quantization_config("ecf8")
class Ecf8Config(QuantizationConfigMixin):
    """`quantization_config` of a compressed directory. `base`: what the original had there."""

    def __init__(self, base: dict[str, Any] | None = None, **_: Any) -> None:
        self.quant_method = "ecf8"  # type: ignore[assignment]  # an enum of theirs
        self.base = base


@register_quantizer("ecf8")
class Ecf8Quantizer(HfQuantizer):
    """Lets transformers build the model and load what is not compressed; the layers' weights come
    from the directory while the model runs, as with `ecf8.torch.attach`."""

    requires_calibration = False
    quantization_config: Ecf8Config

    def validate_environment(self, *_: Any, **options: Any) -> None:
        self._device = _only_device(options.get("device_map"))

    def update_device_map(self, device_map: Any) -> Any:
        return device_map

    def _process_model_before_weight_loading(
        self, model: Any, checkpoint_files: Any = None, **_: Any
    ) -> Any:
        if not checkpoint_files:
            raise ValueError("a model of ecf8's is loaded from a compressed directory")
        directory = os.path.dirname(checkpoint_files[0])
        self._attachment = Attachment(
            model,
            open_source(directory),
            None,
            self._device,
            block_size_said(self.quantization_config.base),
        )
        self._attachment.replace_modules()
        ignored = set(model._keys_to_ignore_on_load_unexpected or ())
        model._keys_to_ignore_on_load_unexpected = ignored | _NOT_TO_BE_LOADED
        return model

    def _process_model_after_weight_loading(self, model: Any, **_: Any) -> Any:
        self._attachment.start()
        return model

    def is_serializable(self, *_: Any) -> bool:
        """To save it, decompress the directory (`ecf8 decompress`)."""
        return False

    @property
    def is_trainable(self) -> bool:
        return False


def _only_device(device_map: Any) -> torch.device:
    places = set(device_map.values()) if isinstance(device_map, dict) else {device_map or "cpu"}
    if len(places) != 1 or places & {"disk", "auto", "balanced"}:
        raise ValueError(f"a model of ecf8's runs on one device, not on {device_map}")
    return torch.device(next(iter(places)))
