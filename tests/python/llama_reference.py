"""A forward pass of a dense Llama in numpy, as transformers' LlamaForCausalLM computes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from recipes import F32Array


def _rms_norm(x: F32Array, weight: F32Array, epsilon: float) -> F32Array:
    normed: F32Array = x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * weight
    return normed


def _softmax(x: F32Array) -> F32Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    shares: F32Array = powers / powers.sum(-1, keepdims=True)
    return shares


def _rotate(x: F32Array, theta: float) -> F32Array:
    """Hugging Face's rotary embedding of x [heads, tokens, head_dim]: i turns with i + dim/2."""
    half = x.shape[-1] // 2
    frequency = theta ** (-np.arange(half, dtype=np.float32) / half)
    angle = np.arange(x.shape[1], dtype=np.float32)[:, None] * frequency
    a, b = x[..., :half], x[..., half:]
    cos, sin = np.cos(angle), np.sin(angle)
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def log_probabilities(
    config: Mapping[str, Any], weights: Mapping[str, F32Array], tokens: list[int]
) -> F32Array:
    """The natural logarithm of the next token's probability, [tokens, vocabulary], by F32
    `weights` under Hugging Face's names; the embedding is tied to the head."""
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    epsilon, theta = config["rms_norm_eps"], config["rope_theta"]
    count = len(tokens)
    mask = np.triu(np.full((count, count), -np.inf, np.float32), 1)

    def split(x: F32Array, n: int) -> F32Array:
        return x.reshape(count, n, -1).swapaxes(0, 1)

    x = weights["model.embed_tokens.weight"][tokens]
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."

        def linear(y: F32Array, name: str, prefix: str = prefix) -> F32Array:
            return y @ weights[f"{prefix}{name}.weight"].T

        y = _rms_norm(x, weights[prefix + "input_layernorm.weight"], epsilon)
        q = _rotate(split(linear(y, "self_attn.q_proj"), heads), theta)
        k = _rotate(split(linear(y, "self_attn.k_proj"), kv_heads), theta)
        v = split(linear(y, "self_attn.v_proj"), kv_heads)
        k, v = (np.repeat(z, heads // kv_heads, axis=0) for z in (k, v))
        attention = _softmax(q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1]) + mask) @ v
        x = x + linear(attention.swapaxes(0, 1).reshape(count, -1), "self_attn.o_proj")
        y = _rms_norm(x, weights[prefix + "post_attention_layernorm.weight"], epsilon)
        gate = linear(y, "mlp.gate_proj")
        x = x + linear(gate / (1 + np.exp(-gate)) * linear(y, "mlp.up_proj"), "mlp.down_proj")
    x = _rms_norm(x, weights["model.norm.weight"], epsilon)
    return np.log(_softmax(x @ weights["model.embed_tokens.weight"].T))
