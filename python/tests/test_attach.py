"""Models whose weights come and go compute what they compute with all of them there."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

import ecf8
import ecf8.torch
import hf_models
from daemon import OwnDaemon

PROMPT = torch.tensor([[1, 17, 230, 5, 88, 301, 42]])
BATCH = torch.tensor([[1, 9, 9, 12], [1, 300, 2, 77], [1, 4, 4, 4], [1, 250, 199, 3]])


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compressed Llama; the plain one lies beside it."""
    directory = tmp_path_factory.mktemp("llama")
    hf_models.save(hf_models.llama_config(), directory / "plain", seed=1)
    ecf8.compress(directory / "plain", directory / "packed")
    return directory / "packed"


@pytest.fixture(scope="session")
def resident(llama: Path) -> Any:
    return hf_models.resident(llama.parent / "plain")


@pytest.fixture
def served(llama: Path) -> Iterator[OwnDaemon]:
    """A daemon that serves it, with slots for four of its six layers."""
    with tempfile.TemporaryDirectory(prefix="ecf8-") as place:
        own = OwnDaemon(Path(place), llama, slot_budget="8MiB")
        yield own
        own.stop()


@pytest.fixture(params=["daemon", "directory"])
def source(request: pytest.FixtureRequest, llama: Path) -> Any:
    if request.param == "directory":
        return llama
    own: OwnDaemon = request.getfixturevalue("served")
    return own.connect().model(own.model)


def generate(model: Any, ids: Tensor, **options: Any) -> list[list[int]]:
    with torch.inference_mode():
        tokens: list[list[int]] = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, **options
        ).tolist()
    return tokens


def logits(model: Any, ids: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(ids).logits
    return found


@pytest.mark.parametrize("slots", [2, 4])
def test_attached_is_resident(llama: Path, source: Any, resident: Any, slots: int) -> None:
    model = hf_models.on_meta(llama)
    attachment = ecf8.torch.attach(model, source, slots=slots)
    assert logits(model, BATCH).equal(logits(resident, BATCH))
    attachment.reset_statistics()
    assert generate(model, PROMPT, do_sample=False) == generate(resident, PROMPT, do_sample=False)
    statistics = attachment.statistics
    assert statistics.layers_acquired == 6 * 24
    assert statistics.experts_acquired == 0
    assert statistics.stall_seconds > 0
    assert generate(model, BATCH, do_sample=False) == generate(resident, BATCH, do_sample=False)
    beams = {"num_beams": 3, "do_sample": False}
    assert generate(model, PROMPT, **beams) == generate(resident, PROMPT, **beams)
    largest = max(sum(p.numel() for p in layer.parameters()) for layer in resident.model.layers)
    assert statistics.stream_bytes <= slots * (2 << 20 if source != llama else largest)
    assert not any(p.is_meta for p in model.parameters())
    assert sum(p.numel() for p in model.parameters()) < 0.2 * sum(
        p.numel() for p in resident.parameters()
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_what_comes_and_goes_computes_as_what_stays(
    llama: Path, source: Any, resident: Any, dtype: torch.dtype
) -> None:
    model = hf_models.on_meta(llama)
    with ecf8.torch.attach(model, llama, slots=6, dtype=dtype):
        logits(model, PROMPT)  # from now on all layers are in memory
        wanted = [logits(model, ids) for ids in (PROMPT, BATCH)]
        tokens = generate(model, BATCH, do_sample=False)
    assert wanted[0].dtype == dtype
    for slots in (1, 2):
        with ecf8.torch.attach(model, source, slots=slots, dtype=dtype):
            for ids, of_all in zip((PROMPT, BATCH), wanted, strict=True):
                assert logits(model, ids).equal(of_all)
            assert generate(model, BATCH, do_sample=False) == tokens
    if dtype == torch.bfloat16:
        assert wanted[1].equal(logits(resident, BATCH))


def test_detach_undoes_it(llama: Path, resident: Any) -> None:
    model = hf_models.on_meta(llama).train()
    modules = {path: module for path, module in model.named_modules()}
    parameters = {name: parameter for name, parameter in model.named_parameters()}
    for _ in range(2):
        with ecf8.torch.attach(model, llama):
            assert not model.training
            with pytest.raises(ValueError, match="attached already"):
                ecf8.torch.attach(model, llama)
            assert logits(model, PROMPT).equal(logits(resident, PROMPT))
            layer = model.model.layers[0]
        assert model.training
        assert {path: module for path, module in model.named_modules()} == modules
        for name, parameter in model.named_parameters():
            assert parameter is parameters[name] and parameter.is_meta
        assert all(buffer.is_meta for buffer in model.buffers())
        assert not layer._forward_hooks and not layer._forward_pre_hooks
    ecf8.torch.detach(model)


def test_training_is_refused(llama: Path) -> None:
    model = hf_models.on_meta(llama)
    ecf8.torch.attach(model, llama)
    assert model(PROMPT).logits.isfinite().all()  # nothing here wants a gradient
    inputs = model.get_input_embeddings()(PROMPT).detach().requires_grad_()
    with pytest.raises(RuntimeError, match="for inference"):
        model(inputs_embeds=inputs)
    model.train()
    with pytest.raises(RuntimeError, match="eval"):
        model(PROMPT)
    model.eval()
    assert logits(model, PROMPT).isfinite().all()  # and nothing is held from before


def test_weights_are_there_only_while_their_layer_runs(llama: Path) -> None:
    model = hf_models.on_meta(llama)
    ecf8.torch.attach(model, llama)
    up = model.model.layers[2].mlp.up_proj
    assert (up.in_features, up.out_features) == (256, 512)
    with pytest.raises(RuntimeError, match="only while"):
        up(torch.zeros(1, 256, dtype=torch.bfloat16))
    seen: list[Tensor] = []
    hook = up.register_forward_hook(lambda *_: seen.append(up.weight.clone()))
    logits(model, PROMPT)
    hook.remove()
    plain = ecf8.torch.load_file(llama)
    name = "model.layers.2.mlp.up_proj.weight"
    assert seen[0].equal(hf_models.dequantize(plain[name], plain[f"{name}_scale_inv"]))
    ecf8.torch.detach(model)
    with pytest.raises(RuntimeError, match="only while"):
        up(torch.zeros(1, 256, dtype=torch.bfloat16))


class _At(transformers.LogitsProcessor):
    """Does something before a token is chosen."""

    def __init__(self, token: int, act: Any) -> None:
        self._left = token
        self._act = act

    def __call__(self, ids: Tensor, scores: Tensor) -> Tensor:
        self._left -= 1
        if self._left == 0:
            self._act()
        return scores


def test_a_daemon_that_dies_is_told(llama: Path, served: OwnDaemon) -> None:
    model = hf_models.on_meta(llama)
    ecf8.torch.attach(model, served.connect().model(served.model))
    died: list[float] = []

    def kill() -> None:
        served.kill()
        died.append(time.monotonic())

    processors = transformers.LogitsProcessorList([_At(5, kill)])
    with pytest.raises(ecf8.UnavailableError, match="daemon went"):
        generate(model, PROMPT, do_sample=False, logits_processor=processors)
    assert time.monotonic() - died[0] < 5
    with pytest.raises(ecf8.UnavailableError):
        logits(model, PROMPT)


def test_a_daemon_that_comes_back_is_not_missed(
    llama: Path, served: OwnDaemon, resident: Any
) -> None:
    model = hf_models.on_meta(llama)
    ecf8.torch.attach(model, served.connect().model(served.model), reconnect=True)
    restarts: list[threading.Thread] = []

    def kill() -> None:
        served.kill()
        restarts.append(threading.Timer(0.3, served.start))
        restarts[0].start()

    processors = transformers.LogitsProcessorList([_At(5, kill)])
    tokens = generate(model, PROMPT, do_sample=False, logits_processor=processors)
    restarts[0].join()
    assert tokens == generate(resident, PROMPT, do_sample=False)


def test_waiting_for_a_daemon_ends(llama: Path, served: OwnDaemon) -> None:
    model = hf_models.on_meta(llama)
    ecf8.torch.attach(model, served.connect().model(served.model), reconnect=0.5)
    served.kill()
    begun = time.monotonic()
    with pytest.raises(ecf8.UnavailableError) as caught:
        logits(model, PROMPT)
    assert time.monotonic() - begun < 5
    assert any("0.5 s" in note for note in caught.value.__notes__)


def test_damage_is_told(llama: Path, tmp_path: Path) -> None:
    for file in llama.iterdir():
        content = bytearray(file.read_bytes())
        if file.suffix == ".safetensors":
            with ecf8.safe_open(llama) as f:
                f.get_tensor("model.layers.3.mlp.up_proj.weight")
            content[len(content) * 2 // 3] ^= 1
        (tmp_path / file.name).write_bytes(content)
    model = hf_models.on_meta(llama)
    ecf8.torch.attach(model, tmp_path)
    for _ in range(2):
        with pytest.raises(ecf8.DataLossError) as caught:
            logits(model, PROMPT)
        assert caught.value.tensor is not None and "layers" in caught.value.tensor


def test_what_does_not_fit_is_refused(llama: Path) -> None:
    config = transformers.AutoConfig.from_pretrained(llama)

    def attach(**changes: Any) -> None:
        for name, value in changes.items():
            setattr(config, name, value)
        with torch.device("meta"):
            model = hf_models.AUTO.from_config(config, dtype=torch.bfloat16)
        before = {path: module for path, module in model.named_modules()}
        try:
            ecf8.torch.attach(model, llama)
        finally:
            assert {path: module for path, module in model.named_modules()} == before
            assert all(parameter.is_meta for parameter in model.parameters())

    with pytest.raises(ecf8.InvalidArgumentError, match="shape"):
        attach(intermediate_size=640)
    with pytest.raises(ecf8.NotFoundError, match=r"layers\.6\."):
        attach(intermediate_size=512, num_hidden_layers=7)
    with pytest.raises(ValueError, match="slot"):
        ecf8.torch.attach(hf_models.on_meta(llama), llama, slots=0)
    with pytest.raises(ecf8.NotFoundError):
        ecf8.torch.attach(hf_models.on_meta(llama), llama.parent / "plain")


def test_fp8_that_nobody_computes_with_is_refused(tmp_path: Path) -> None:
    table = {"weight": torch.ones(200, 64).to(torch.float8_e4m3fn)}
    ecf8.torch.save_file(table, tmp_path / "m.safetensors")
    with torch.device("meta"):
        model = torch.nn.Embedding(200, 64)
    with pytest.raises(TypeError, match="Embedding"):
        ecf8.torch.attach(model, tmp_path / "m.safetensors")
