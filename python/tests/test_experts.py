"""A mixture of experts: those come that the router chose; the result is the same bit for bit."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import ecf8
import ecf8.torch
import hf_models
from daemon import OwnDaemon
from test_attach import BATCH, PROMPT, generate, logits

LONG = torch.arange(1, 200).view(1, -1)


@pytest.fixture(scope="session")
def deepseek(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("deepseek")
    hf_models.save(hf_models.deepseek_config(), directory / "plain", seed=2)
    ecf8.compress(directory / "plain", directory / "packed")
    return directory / "packed"


@pytest.mark.parametrize("implementation", ["grouped_mm", "eager"])
@pytest.mark.parametrize("slots", [1, 4])
def test_attached_is_resident(deepseek: Path, implementation: str, slots: int) -> None:
    options = {"experts_implementation": implementation}
    resident = hf_models.resident(deepseek.parent / "plain", **options)
    model = hf_models.on_meta(deepseek, **options)
    assert model.config._experts_implementation == implementation
    plain = hf_models.by_definition(deepseek.parent / "plain", **options)
    assert logits(plain, LONG).equal(logits(resident, LONG))
    with ecf8.torch.attach(model, deepseek, slots=slots):
        for ids in (PROMPT, BATCH, LONG):
            assert logits(model, ids).equal(logits(resident, ids))
        assert generate(model, BATCH, do_sample=False) == generate(resident, BATCH, do_sample=False)


def test_only_what_the_router_chose_is_decoded(deepseek: Path) -> None:
    resident = hf_models.resident(deepseek.parent / "plain")
    chosen: set[str] = set()

    def remember(layer: int) -> Any:
        def hook(module: Any, inputs: Any, output: tuple[Tensor, Tensor, Tensor]) -> None:
            chosen.update(f"layers.{layer}.experts.{e}" for e in output[2].flatten().tolist())

        return hook

    with tempfile.TemporaryDirectory(prefix="ecf8-") as place:
        own = OwnDaemon(Path(place), deepseek, slot_budget="256MiB")
        client = own.connect()
        model = hf_models.on_meta(deepseek)
        before = client.status().decoded_bytes
        attachment = ecf8.torch.attach(model, client.model(own.model))
        for layer in range(1, 4):
            model.model.layers[layer].mlp.gate.register_forward_hook(remember(layer))
        tokens = generate(model, PROMPT, do_sample=False)
        units = client.describe(own.model).units
        decoded = client.status().decoded_bytes - before
        statistics = attachment.statistics
        attachment.close()
        own.stop()
    assert tokens == generate(resident, PROMPT, do_sample=False)
    sizes = {unit.id: sum(part.size_bytes for part in unit.tensors) for unit in units}
    assert 6 <= len(chosen) < 48
    assert statistics.experts_seen == len(chosen) <= statistics.experts_acquired
    wanted = [*chosen, *(f"layers.{layer}" for layer in range(4))]
    assert decoded == sum(sizes[unit] for unit in wanted)
