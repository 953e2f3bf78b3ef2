"""The tensors of two model families, from their config.json: names, dtypes and shapes.

Projection weights are E4M3 with 128x128 block scales (the recipe block); everything else is BF16.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from recipes import BLOCK
from resample import Role, pool_dtype
from safetensors_writer import TensorSpec

Config = Mapping[str, Any]
Part = tuple[TensorSpec, Role]


def _linear(name: str, out: int, inp: int, role: Role) -> Iterator[Part]:
    """The FP8 weight [out, inp] of the projection `name`, and its scales."""
    yield TensorSpec(f"{name}.weight", "F8_E4M3", (out, inp)), role
    blocks = (-(-out // BLOCK), -(-inp // BLOCK))
    yield TensorSpec(f"{name}.weight_scale_inv", "F32", blocks), "scale"


def _plain(name: str, shape: tuple[int, ...], role: Role) -> Part:
    return TensorSpec(f"{name}.weight", pool_dtype(role), shape), role


def _mlp(name: str, hidden: int, width: int) -> Iterator[Part]:
    yield from _linear(f"{name}.gate_proj", width, hidden, "mlp")
    yield from _linear(f"{name}.up_proj", width, hidden, "mlp")
    yield from _linear(f"{name}.down_proj", hidden, width, "mlp")


def llama(config: Config) -> Iterator[Part]:
    """The tensors of LlamaForCausalLM."""
    hidden, head_dim = config["hidden_size"], config["head_dim"]
    q_width = config["num_attention_heads"] * head_dim
    kv_width = config["num_key_value_heads"] * head_dim
    yield _plain("model.embed_tokens", (config["vocab_size"], hidden), "embedding")
    for layer in range(config["num_hidden_layers"]):
        name = f"model.layers.{layer}"
        yield _plain(f"{name}.input_layernorm", (hidden,), "norm")
        yield from _linear(f"{name}.self_attn.q_proj", q_width, hidden, "attention")
        yield from _linear(f"{name}.self_attn.k_proj", kv_width, hidden, "attention")
        yield from _linear(f"{name}.self_attn.v_proj", kv_width, hidden, "attention")
        yield from _linear(f"{name}.self_attn.o_proj", hidden, q_width, "attention")
        yield _plain(f"{name}.post_attention_layernorm", (hidden,), "norm")
        yield from _mlp(f"{name}.mlp", hidden, config["intermediate_size"])
    yield _plain("model.norm", (hidden,), "norm")
    yield _plain("lm_head", (config["vocab_size"], hidden), "embedding")


def _mla(name: str, config: Config) -> Iterator[Part]:
    """DeepSeek's multi-head latent attention."""
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    q_rank, kv_rank = config["q_lora_rank"], config["kv_lora_rank"]
    nope, rope = config["qk_nope_head_dim"], config["qk_rope_head_dim"]
    value = config["v_head_dim"]
    yield from _linear(f"{name}.q_a_proj", q_rank, hidden, "attention")
    yield _plain(f"{name}.q_a_layernorm", (q_rank,), "norm")
    yield from _linear(f"{name}.q_b_proj", heads * (nope + rope), q_rank, "attention")
    yield from _linear(f"{name}.kv_a_proj_with_mqa", kv_rank + rope, hidden, "attention")
    yield _plain(f"{name}.kv_a_layernorm", (kv_rank,), "norm")
    yield from _linear(f"{name}.kv_b_proj", heads * (nope + value), kv_rank, "attention")
    yield from _linear(f"{name}.o_proj", hidden, heads * value, "attention")


def _moe(name: str, config: Config) -> Iterator[Part]:
    """DeepSeek's router, routed experts and shared experts."""
    hidden, width = config["hidden_size"], config["moe_intermediate_size"]
    experts = config["n_routed_experts"]
    yield _plain(f"{name}.gate", (experts, hidden), "embedding")
    yield TensorSpec(f"{name}.gate.e_score_correction_bias", "F32", (experts,)), "norm"
    for expert in range(experts):
        yield from _mlp(f"{name}.experts.{expert}", hidden, width)
    yield from _mlp(f"{name}.shared_experts", hidden, width * config["n_shared_experts"])


def deepseek_v3(config: Config) -> Iterator[Part]:
    """The tensors of DeepseekV3ForCausalLM, without multi-token prediction layers."""
    hidden = config["hidden_size"]
    yield _plain("model.embed_tokens", (config["vocab_size"], hidden), "embedding")
    for layer in range(config["num_hidden_layers"]):
        name = f"model.layers.{layer}"
        yield _plain(f"{name}.input_layernorm", (hidden,), "norm")
        yield from _mla(f"{name}.self_attn", config)
        yield _plain(f"{name}.post_attention_layernorm", (hidden,), "norm")
        if layer < config["first_k_dense_replace"]:
            yield from _mlp(f"{name}.mlp", hidden, config["intermediate_size"])
        else:
            yield from _moe(f"{name}.mlp", config)
    yield _plain("model.norm", (hidden,), "norm")
    yield _plain("lm_head", (config["vocab_size"], hidden), "embedding")
