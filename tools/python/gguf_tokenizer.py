"""Rebuilds Hugging Face tokenizer files from a GGUF file's tokenizer metadata.

Only what SmolLM2 has: GPT-2's byte-level BPE with single digits split off (llama.cpp's
pre-tokenizer "smollm").
"""

from __future__ import annotations

from typing import Any

from gguf_llama import GgufLlama

_CONTROL = 3  # llama.cpp's type of special tokens


def _added_token(content: str) -> dict[str, Any]:
    return {
        "content": content,
        "lstrip": False,
        "normalized": False,
        "rstrip": False,
        "single_word": False,
        "special": True,
    }


def _special_tokens(model: GgufLlama) -> dict[int, str]:
    tokens: list[str] = model.field("tokenizer.ggml.tokens")
    types: list[int] = model.field("tokenizer.ggml.token_type")
    return {i: tokens[i] for i, kind in enumerate(types) if kind == _CONTROL}


def tokenizer_json(model: GgufLlama) -> dict[str, Any]:
    """tokenizer.json, as the `tokenizers` package reads it."""
    kind = (model.field("tokenizer.ggml.model"), model.field("tokenizer.ggml.pre"))
    if kind != ("gpt2", "smollm"):
        raise ValueError(f"a tokenizer of kind {kind} is not known here, only ('gpt2', 'smollm')")
    tokens: list[str] = model.field("tokenizer.ggml.tokens")
    byte_level = {"type": "ByteLevel", "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, **_added_token(token)} for i, token in _special_tokens(model).items()
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Digits", "individual_digits": True},
                {**byte_level, "add_prefix_space": False},
            ],
        },
        "post_processor": None,
        "decoder": {**byte_level, "add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": model.field("tokenizer.ggml.merges"),
        },
    }


def tokenizer_config(model: GgufLlama) -> dict[str, Any]:
    """tokenizer_config.json, with the chat template."""
    tokens: list[str] = model.field("tokenizer.ggml.tokens")
    special = _special_tokens(model)
    return {
        "add_prefix_space": model.field("tokenizer.ggml.add_space_prefix"),
        "added_tokens_decoder": {str(i): _added_token(token) for i, token in special.items()},
        "bos_token": tokens[model.field("tokenizer.ggml.bos_token_id")],
        "chat_template": model.field("tokenizer.chat_template"),
        "clean_up_tokenization_spaces": False,
        "eos_token": tokens[model.field("tokenizer.ggml.eos_token_id")],
        "model_max_length": model.field("llama.context_length"),
        "pad_token": tokens[model.field("tokenizer.ggml.padding_token_id")],
        "tokenizer_class": "GPT2Tokenizer",
        "unk_token": tokens[model.field("tokenizer.ggml.unknown_token_id")],
    }


def special_tokens_map(model: GgufLlama) -> dict[str, Any]:
    """special_tokens_map.json."""
    config = tokenizer_config(model)
    return {key: config[key] for key in ("bos_token", "eos_token", "pad_token", "unk_token")}
