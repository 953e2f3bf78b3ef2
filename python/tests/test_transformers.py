"""Whole models in one line, and SmolLM2 beside what transformers makes of the same checkpoint."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import ecf8
import ecf8.torch
import ecf8.transformers
import hf_models
from conftest import MODELS, ROOT
from daemon import OwnDaemon
from test_attach import BATCH, PROMPT, generate, llama, logits, resident
from test_experts import deepseek

__all__ = ["deepseek", "llama", "resident"]  # fixtures

PROMPTS = ("What is gravity?", "Write a haiku about the sea.", "Name three prime numbers.")
NEW_TOKENS = 64


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    packed = tmp_path_factory.mktemp("smollm2") / "smollm2"
    ecf8.compress(MODELS / "smollm2-block", packed)
    return packed


@pytest.fixture
def served(smollm2: Path) -> Iterator[OwnDaemon]:
    """A daemon with slots for four of thirty layers."""
    with tempfile.TemporaryDirectory(prefix="ecf8-") as place:
        own = OwnDaemon(Path(place), smollm2, slot_budget="16MiB")
        yield own
        own.stop()


@pytest.fixture(scope="module")
def bf16() -> Any:
    return hf_models.by_definition(MODELS / "smollm2-block")


def ask(model: Any, tokenizer: Any, prompts: list[str]) -> list[list[int]]:
    inputs = tokenizer.apply_chat_template(
        [[{"role": "user", "content": prompt}] for prompt in prompts],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
        padding=True,
        padding_side="left",
    )
    with torch.inference_mode():
        tokens: list[list[int]] = model.generate(
            **inputs, max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS, do_sample=False
        ).tolist()
    return tokens


def test_smollm2_gives_the_same_tokens(smollm2: Path, bf16: Any, served: OwnDaemon) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(smollm2)
    source = served.connect().model(served.model)
    model = ecf8.transformers.from_pretrained(smollm2, source, slots=4)
    for prompt in PROMPTS:
        assert ask(model, tokenizer, [prompt]) == ask(bf16, tokenizer, [prompt])
    batch = [*PROMPTS, "Hello!"]
    assert ask(model, tokenizer, batch) == ask(bf16, tokenizer, batch)
    ids = torch.arange(1, 300).view(1, -1)
    assert logits(model, ids).equal(logits(bf16, ids))
    statistics = ecf8.torch.attachment(model).statistics
    assert statistics.stream_bytes <= 4 * (4 << 20)
    ecf8.torch.detach(model)
    model = ecf8.transformers.from_pretrained(smollm2, slots=4)
    assert logits(model, ids).equal(logits(bf16, ids))


def test_the_registry_of_quantizers(llama: Path, resident: Any) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(llama, dtype=torch.bfloat16)
    assert logits(model, BATCH).equal(logits(resident, BATCH))
    assert generate(model, PROMPT, do_sample=False) == generate(resident, PROMPT, do_sample=False)
    assert model.config.quantization_config.quant_method == "ecf8"
    assert sum(p.numel() for p in model.parameters()) < 0.2 * resident.num_parameters()
    with pytest.raises(ValueError, match="one device"):
        transformers.AutoModelForCausalLM.from_pretrained(llama, device_map="auto")


@pytest.mark.parametrize("order", ["ecf8, transformers", "transformers, ecf8"])
def test_importing_is_enough(order: str, llama: Path) -> None:
    program = f"import {order}, torch\n" + (
        f"model = transformers.AutoModelForCausalLM.from_pretrained({str(llama)!r})\n"
        "print(model(torch.tensor([[1, 2]])).logits.shape)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "torch.Size([1, 2, 384])\n", done.stderr
    lean = "import ecf8, sys; print('torch' in sys.modules, 'transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", lean], capture_output=True, text=True)
    assert done.stdout == "False False\n", done.stderr


def test_the_registry_knows_experts(deepseek: Path) -> None:
    wanted = hf_models.resident(deepseek.parent / "plain")
    model = transformers.AutoModelForCausalLM.from_pretrained(deepseek, dtype=torch.bfloat16)
    assert logits(model, BATCH).equal(logits(wanted, BATCH))


def test_the_example_answers(smollm2: Path, served: OwnDaemon) -> None:
    example = ROOT / "python" / "examples" / "generate.py"
    command = [sys.executable, str(example), str(smollm2), "--tokens=12"]
    environment = {**os.environ, "ECF8_DAEMON": served.address}
    for arguments in ([], ["--embedded"]):
        done = subprocess.run(
            [*command, *arguments], env=environment, capture_output=True, text=True, check=True
        )
        assert "Gravity is" in done.stdout
        assert "tokens/s" in done.stdout
        assert ("daemon, decoded:" in done.stdout) == (not arguments)
