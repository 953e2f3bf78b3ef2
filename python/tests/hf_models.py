"""Small random models of transformers' own configurations, in FP8 with scales of 128x128 blocks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

AUTO: Any = transformers.AutoModelForCausalLM  # whose own types say little
BLOCK = 128
_EXPERT = re.compile(r"(.*\.experts)\.(\d+)\.(gate|up|down)_proj\.weight")
_PROJECTION = re.compile(r"model\.layers\.\d+\..*_proj(_with_mqa)?\.weight")


def quantize(weight: Tensor) -> tuple[Tensor, Tensor]:
    """FP8 and the scales of its blocks, by which it is to be multiplied."""
    rows, columns = weight.shape
    grid = (-(-rows // BLOCK), -(-columns // BLOCK))
    padded = torch.zeros(grid[0] * BLOCK, grid[1] * BLOCK)
    padded[:rows, :columns] = weight.float()
    amax = padded.view(grid[0], BLOCK, grid[1], BLOCK).abs().amax((1, 3))
    scales = (amax / 448).clamp(min=1e-30)
    spread = scales.repeat_interleave(BLOCK, 0).repeat_interleave(BLOCK, 1)
    quantized = (padded / spread)[:rows, :columns].to(torch.float8_e4m3fn)
    return quantized.contiguous(), scales


def dequantize(weight: Tensor, scales: Tensor) -> Tensor:
    """BF16, by the definition."""
    spread = scales.repeat_interleave(BLOCK, 0).repeat_interleave(BLOCK, 1)
    return (weight.float() * spread[: weight.shape[0], : weight.shape[1]]).bfloat16()


def save(config: Any, directory: Path, seed: int) -> None:
    """A checkpoint as it is published: every expert's matrices by themselves."""
    torch.manual_seed(seed)
    model = AUTO.from_config(config, dtype=torch.bfloat16)
    tensors: dict[str, Tensor] = {}
    for name, tensor in _unfused(model.state_dict()).items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if _PROJECTION.fullmatch(name):
            tensors[name], tensors[f"{name}_scale_inv"] = quantize(tensor)
        else:
            tensors[name] = tensor.contiguous()
    directory.mkdir(parents=True)
    config.quantization_config = {
        "activation_scheme": "dynamic",
        "fmt": "e4m3",
        "quant_method": "fp8",
        "weight_block_size": [BLOCK, BLOCK],
    }
    config.architectures = [type(model).__name__]
    config.dtype = torch.bfloat16
    config.save_pretrained(directory)
    save_file(tensors, directory / "model.safetensors", {"format": "pt"})


def _unfused(state: dict[str, Tensor]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, tensor in state.items():
        path, _, leaf = name.rpartition(".")
        if leaf not in ("gate_up_proj", "down_proj"):
            tensors[name] = tensor
            continue
        for expert, matrix in enumerate(tensor):
            if leaf == "down_proj":
                tensors[f"{path}.{expert}.down_proj.weight"] = matrix
            else:
                gate, up = matrix.chunk(2)
                tensors[f"{path}.{expert}.gate_proj.weight"] = gate
                tensors[f"{path}.{expert}.up_proj.weight"] = up
    return tensors


def llama_config() -> Any:
    return transformers.LlamaConfig(
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=384,
        initializer_range=0.2,
        bos_token_id=1,
        eos_token_id=None,
        pad_token_id=0,
        tie_word_embeddings=True,
    )


def deepseek_config() -> Any:
    return transformers.DeepseekV3Config(
        hidden_size=256,
        intermediate_size=512,
        moe_intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=2,
        first_k_dense_replace=1,
        n_routed_experts=16,
        num_experts_per_tok=3,
        n_group=4,
        topk_group=2,
        q_lora_rank=128,
        kv_lora_rank=128,
        qk_rope_head_dim=128,
        qk_nope_head_dim=128,
        v_head_dim=128,
        vocab_size=384,
        initializer_range=0.1,
        bos_token_id=1,
        eos_token_id=None,
        pad_token_id=0,
    )


def resident(directory: Path, **options: Any) -> Any:
    """The model with all its weights, as transformers de-quantises them."""
    return AUTO.from_pretrained(
        directory,
        quantization_config=transformers.FineGrainedFP8Config(dequantize=True),
        dtype=torch.bfloat16,
        **options,
    ).eval()


def by_definition(directory: Path, device: str = "cpu", **options: Any) -> Any:
    """The same without transformers' loader, which wants scales that divide the matrices evenly."""
    stored = load_file(directory / "model.safetensors")
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        scales = stored.get(f"{name}_scale_inv")
        if not name.endswith("_scale_inv"):
            tensors[name] = tensor if scales is None else dequantize(tensor, scales)
    config = transformers.AutoConfig.from_pretrained(directory)
    del config.quantization_config
    model = AUTO.from_config(config, dtype=torch.bfloat16, **options)
    left = model.load_state_dict(_fused(tensors), strict=False)
    assert not left.unexpected_keys and set(left.missing_keys) <= {"lm_head.weight"}
    model.tie_weights()
    return model.to(device).eval()


def _fused(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Undoes `_unfused`."""
    fused = {name: tensor for name, tensor in tensors.items() if not _EXPERT.fullmatch(name)}
    for name in tensors:
        found = _EXPERT.fullmatch(name)
        if found is None or found[2] != "0" or found[3] != "down":
            continue
        experts: dict[str, list[Tensor]] = {"gate": [], "up": [], "down": []}
        while f"{found[1]}.{len(experts['up'])}.up_proj.weight" in tensors:
            path = f"{found[1]}.{len(experts['up'])}"
            for kind, matrices in experts.items():
                matrices.append(tensors[f"{path}.{kind}_proj.weight"])
        both = [torch.cat(pair) for pair in zip(experts["gate"], experts["up"], strict=True)]
        fused[f"{found[1]}.gate_up_proj"] = torch.stack(both)
        fused[f"{found[1]}.down_proj"] = torch.stack(experts["down"])
    return fused


def on_meta(directory: Path, **options: Any) -> Any:
    config = transformers.AutoConfig.from_pretrained(directory)
    with torch.device("meta"):
        return AUTO.from_config(config, dtype=torch.bfloat16, **options)
