"""Reads a Llama model from a GGUF file, as Hugging Face's LlamaForCausalLM names and shapes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from recipes import F32Array

_TOP = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_LAYER_NAME = re.compile(r"blk\.(\d+)\.(\w+)\.(weight|bias)")


def permute_rope(weight: F32Array, heads: int) -> F32Array:
    """What llama.cpp's converter does to q and k, [heads * head_dim, in]: in each head, row
    i of the first half and row i of the second half become neighbours, 2i and 2i+1.
    """
    halves = weight.reshape(heads, 2, -1, weight.shape[1])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def unpermute_rope(weight: F32Array, heads: int) -> F32Array:
    """The inverse of permute_rope: Hugging Face rotates row i with row i + head_dim / 2."""
    pairs = weight.reshape(heads, -1, 2, weight.shape[1])
    return pairs.swapaxes(1, 2).reshape(weight.shape)


def hugging_face_name(name: str) -> str:
    """LlamaForCausalLM's name of the GGUF tensor `name`; KeyError if there is none."""
    if match := _LAYER_NAME.fullmatch(name):
        layer, part, kind = match.groups()
        return f"model.layers.{layer}.{_LAYER[part]}.{kind}"
    return _TOP[name]


class GgufLlama:
    """A GGUF file of architecture llama, opened for reading (memory-mapped)."""

    def __init__(self, path: Path) -> None:
        self._reader = gguf.GGUFReader(path)
        architecture = self.field("general.architecture")
        if architecture != "llama":
            raise ValueError(f"{path.name} holds a {architecture} model, not llama")

    def field(self, key: str) -> Any:
        """The metadata value `key`; KeyError if the file has none."""
        return self._reader.fields[key].contents()

    def tensors(self) -> Iterator[tuple[str, F32Array]]:
        """Every tensor as (Hugging Face name, F32 array of the Hugging Face shape [out, in])."""
        heads = {
            "q_proj": self.field("llama.attention.head_count"),
            "k_proj": self.field("llama.attention.head_count_kv"),
        }
        for tensor in self._reader.tensors:
            name = hugging_face_name(tensor.name)
            # GGUF lists dimensions innermost first.
            shape = tuple(int(n) for n in reversed(tensor.shape))
            values = gguf.dequantize(tensor.data, tensor.tensor_type)
            values = np.asarray(values, np.float32).reshape(shape)
            projection = name.split(".")[-2]
            if projection in heads:
                values = unpermute_rope(values, heads[projection])
            yield name, values

    def config(self) -> dict[str, Any]:
        """config.json as transformers' LlamaConfig expects it."""
        tied = all(tensor.name != "output.weight" for tensor in self._reader.tensors)
        width = self.field("llama.embedding_length")
        heads = self.field("llama.attention.head_count")
        epsilon = np.float32(self.field("llama.attention.layer_norm_rms_epsilon"))
        return {
            "architectures": ["LlamaForCausalLM"],
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": self.field("tokenizer.ggml.bos_token_id"),
            "eos_token_id": self.field("tokenizer.ggml.eos_token_id"),
            "head_dim": width // heads,
            "hidden_act": "silu",
            "hidden_size": width,
            "intermediate_size": self.field("llama.feed_forward_length"),
            "max_position_embeddings": self.field("llama.context_length"),
            "mlp_bias": False,
            "model_type": "llama",
            "num_attention_heads": heads,
            "num_hidden_layers": self.field("llama.block_count"),
            "num_key_value_heads": self.field("llama.attention.head_count_kv"),
            "pad_token_id": self.field("tokenizer.ggml.padding_token_id"),
            "rms_norm_eps": float(str(epsilon)),  # the shortest decimal of the F32
            "rope_scaling": None,
            "rope_theta": self.field("llama.rope.freq_base"),
            "tie_word_embeddings": tied,
            "torch_dtype": "bfloat16",
            "use_cache": True,
            "vocab_size": self.field("llama.vocab_size"),
        }

    def generation_config(self) -> dict[str, Any]:
        """generation_config.json: the special tokens that generation stops and pads with."""
        return {
            "_from_model_config": True,
            "bos_token_id": self.field("tokenizer.ggml.bos_token_id"),
            "eos_token_id": self.field("tokenizer.ggml.eos_token_id"),
            "pad_token_id": self.field("tokenizer.ggml.padding_token_id"),
        }
