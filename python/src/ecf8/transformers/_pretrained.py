"""A model from a compressed directory, with its weights attached."""

from __future__ import annotations

import os
from typing import Any

import torch
import transformers

from ecf8.torch import attach
from ecf8.torch._attach import WeightSource


def from_pretrained(
    path: str | os.PathLike[str],
    source: WeightSource | None = None,
    *,
    auto_class: Any = transformers.AutoModelForCausalLM,
    slots: int = 4,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    reconnect: bool | float = False,
    timeout: float = 60.0,
    **options: Any,
) -> Any:
    """A model of transformers that runs while its weights come and go; `ecf8.torch.attach` says
    how, and what the options mean.

    `path`: a compressed directory, whose configuration is read. `source`: where the weights come
    from, a daemon's model (`ecf8.connect().model("NAME")`) or a directory; by default `path`.
    `auto_class`: one of transformers' classes Auto..., which takes the other `options`
    (`attn_implementation`, `experts_implementation`, ...). `dtype`: by default the configuration's.
    """
    config = transformers.AutoConfig.from_pretrained(path)
    wanted = dtype or config.dtype or torch.bfloat16
    with torch.device("meta"):
        model = auto_class.from_config(config, dtype=wanted, **options)
    if model.can_generate() and os.path.exists(os.path.join(path, "generation_config.json")):
        model.generation_config = transformers.GenerationConfig.from_pretrained(path)
    attach(
        model,
        path if source is None else source,
        slots=slots,
        device=device,
        reconnect=reconnect,
        timeout=timeout,
    )
    return model
