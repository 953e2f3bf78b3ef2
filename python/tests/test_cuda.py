"""On a GPU: decoded on the host, copied ahead, de-quantised there; the result is that of a resident
model, bit for bit. Needs neither a daemon nor pytest:

    PYTHONPATH=python/tests python -m test_cuda
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import ecf8
import ecf8.torch
import hf_models

try:
    import pytest

    pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
except ImportError:  # where there is a GPU there may be no pytest
    pass


def check(config: Any, directory: Path, slots: int) -> str:
    """What it took; AssertionError where anything differs."""
    plain, packed = directory / "plain", directory / "packed"
    hf_models.save(config, plain, seed=5)
    ecf8.compress(plain, packed)
    # A grouped product is another kernel than ours, and rounds otherwise.
    options = {"experts_implementation": "eager"} if hasattr(config, "n_routed_experts") else {}
    resident = hf_models.by_definition(plain, "cuda", **options)
    model = hf_models.on_meta(packed, **options)
    attachment = ecf8.torch.attach(model, packed, slots=slots, device="cuda")
    ids = torch.arange(1, 65, device="cuda").view(4, 16)
    limits = {"max_new_tokens": 32, "do_sample": False, "pad_token_id": 0}
    mask = torch.ones_like(ids)
    with torch.inference_mode():
        for _ in range(3):
            assert model(ids).logits.equal(resident(ids).logits)
        begun = time.perf_counter()
        tokens = model.generate(ids, attention_mask=mask, **limits)
        seconds = time.perf_counter() - begun
        assert tokens.equal(resident.generate(ids, attention_mask=mask, **limits))
    stall = attachment.statistics.stall_seconds
    attachment.close()
    assert all(parameter.is_meta for parameter in model.parameters())
    return f"{32 / seconds:.1f} steps/s, stalled {stall:.2f} s in all"


def test_llama(tmp_path: Path) -> None:
    for slots in (1, 3):
        check(hf_models.llama_config(), tmp_path / str(slots), slots)


def test_deepseek(tmp_path: Path) -> None:
    check(hf_models.deepseek_config(), tmp_path, 2)


if __name__ == "__main__":
    for name, made in (("llama", hf_models.llama_config), ("deepseek", hf_models.deepseek_config)):
        with tempfile.TemporaryDirectory() as place:
            print(f"{name}: equal; {check(made(), Path(place), 3)}", flush=True)
