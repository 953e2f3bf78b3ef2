"""Chooses the dimensions of a synthetic model so that its tensors fill a wanted size, in bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import model_shapes
from model_dir import FetchError

_V3_HIDDEN = 7168
_EMBEDDING_SHARE = 0.1  # of the size, at most, for the embedding and the head together


def total_bytes(parts: Iterator[model_shapes.Part]) -> int:
    """The size of all tensors in bytes."""
    return sum(spec.nbytes for spec, _ in parts)


def _round(value: float, step: int) -> int:
    """`value` rounded to a multiple of `step`, at least `step`."""
    return max(step, round(value / step) * step)


def _largest(low: int, high: int, step: int, fits: Callable[[int], bool]) -> int:
    """The largest low + i * step, at most `high`, that fits; `low` if none does."""
    below, above = 0, (high - low) // step + 1
    while above - below > 1:
        middle = (below + above) // 2
        if fits(low + middle * step):
            below = middle
        else:
            above = middle
    return low + below * step


def _vocabulary(size: int, hidden: int, most: int) -> int:
    """A vocabulary whose two BF16 matrices take at most their share of `size` bytes."""
    share = int(size * _EMBEDDING_SHARE) // (2 * 2 * hidden)
    return max(64, min(most, share) // 64 * 64)


def llama_config(size: int) -> dict[str, Any]:
    """A Llama of at most `size` bytes: as in the real ones, width and depth grow together."""

    def config(hidden: int, layers: int, width: int) -> dict[str, Any]:
        heads = max(1, hidden // 128)
        return {
            "architectures": ["LlamaForCausalLM"],
            "bos_token_id": 1,
            "eos_token_id": 2,
            "head_dim": 128,
            "hidden_act": "silu",
            "hidden_size": hidden,
            "intermediate_size": width,
            "max_position_embeddings": 8192,
            "model_type": "llama",
            "num_attention_heads": heads,
            "num_hidden_layers": layers,
            "num_key_value_heads": heads // 4 if heads % 4 == 0 else heads,
            "rms_norm_eps": 1e-05,
            "rope_theta": 500000.0,
            "tie_word_embeddings": False,
            "vocab_size": _vocabulary(size, hidden, 128256),
        }

    def fits(hidden: int, layers: int, width: int) -> bool:
        return total_bytes(model_shapes.llama(config(hidden, layers, width))) <= size

    # Heads in fours, so that every fourth has keys and values.
    hidden = _largest(512, 16384, 512, lambda h: fits(h, max(2, h // 128), h * 7 // 2))
    layers = _largest(1, 1000, 1, lambda n: fits(hidden, n, hidden * 7 // 2))
    if not fits(hidden, layers, hidden * 7 // 2):
        raise FetchError("that size is too small for a model: ask for at least 16MB.")
    width = _largest(hidden * 7 // 2, hidden * 8, 128, lambda w: fits(hidden, layers, w))
    return config(hidden, layers, width)


def deepseek_config(
    size: int, layers: int | None, experts: int | None, hidden: int | None
) -> dict[str, Any]:
    """A DeepSeek-V3 of at most `size` bytes: what is given is kept, the rest fills the size. With
    hidden = 7168 every matrix is as large as the real one's (an expert has 44 MB)."""

    def config(h: int, n: int, e: int, width: int) -> dict[str, Any]:
        scale = h / _V3_HIDDEN
        groups = 8 if e % 8 == 0 and e >= 64 else 1
        return {
            "architectures": ["DeepseekV3ForCausalLM"],
            "bos_token_id": 0,
            "eos_token_id": 1,
            "first_k_dense_replace": 3 if n > 12 else 1,
            "hidden_act": "silu",
            "hidden_size": h,
            "intermediate_size": _round(18432 * scale, 128),
            "kv_lora_rank": _round(512 * scale, 128),
            "max_position_embeddings": 163840,
            "model_type": "deepseek_v3",
            "moe_intermediate_size": width,
            "moe_layer_freq": 1,
            "n_group": groups,
            "n_routed_experts": e,
            "n_shared_experts": 1,
            "norm_topk_prob": True,
            "num_attention_heads": _round(128 * scale, 4),
            "num_experts_per_tok": min(8, e),
            "num_hidden_layers": n,
            "num_key_value_heads": _round(128 * scale, 4),
            "num_nextn_predict_layers": 0,
            "q_lora_rank": _round(1536 * scale, 128),
            "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64,
            "rms_norm_eps": 1e-06,
            "rope_theta": 10000,
            "routed_scaling_factor": 2.5,
            "scoring_func": "sigmoid",
            "tie_word_embeddings": False,
            "topk_group": 4 if groups == 8 else 1,
            "topk_method": "noaux_tc",
            "v_head_dim": 128,
            "vocab_size": _vocabulary(size, h, 129280),
        }

    def expert_width(h: int) -> int:
        return _round(2048 * h / _V3_HIDDEN, 128)

    def fits(h: int, n: int, e: int, width: int) -> bool:
        return total_bytes(model_shapes.deepseek_v3(config(h, n, e, width))) <= size

    few_layers, few_experts = (
        (layers or 4, experts or 8) if hidden else (layers or 6, experts or 32)
    )
    h = hidden or _largest(
        512, _V3_HIDDEN, 512, lambda h: fits(h, few_layers, few_experts, expert_width(h))
    )
    width = expert_width(h)
    if not fits(h, few_layers, few_experts, width):
        raise FetchError(
            "that size is too small for so many layers and experts of that width: ask for more, or"
            " for fewer --layers, --experts or a smaller --hidden."
        )
    e = experts or _largest(few_experts, 256, 1, lambda e: fits(h, few_layers, e, width))
    n = layers or _largest(few_layers, 61, 1, lambda n: fits(h, n, e, width))
    if hidden is None:
        width = _largest(width, 2 * width, 128, lambda w: fits(h, n, e, w))
    return config(h, n, e, width)
