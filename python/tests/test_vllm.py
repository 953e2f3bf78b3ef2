"""vLLM with compressed models, beside itself with the checkpoints that these stand for. Where it is
installed: `tools/python_package --vllm`. Each engine takes a process, and most of a minute.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import transformers

import ecf8
import hf_models
from conftest import MODELS, ROOT
from daemon import OwnDaemon

sys.path.append(str(ROOT / "python" / "bench"))
from generate_bench import dequantize

pytest.importorskip("vllm")

ENVIRONMENT = {
    **os.environ,
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}
PROMPTS = ["What is gravity?", "Write a haiku about the sea.", "Name three prime numbers."]
TOKENS = 48
GENERATE = f"""
import json, sys
from vllm import LLM, SamplingParams
if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    llm = LLM(max_model_len=512, enforce_eager=True, seed=0, **options)
    limits = SamplingParams(temperature=0, max_tokens={TOKENS}, ignore_eos=True)
    made = llm.generate({PROMPTS!r}, limits)
    print("\\n" + json.dumps([list(one.outputs[0].token_ids) for one in made]))
"""


def generate(model: Path, **options: Any) -> Any:
    """The tokens that stock vLLM answers the prompts with."""
    given = json.dumps({"model": str(model), **options})
    command = [sys.executable, "-c", GENERATE, given]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-8000:]
    return json.loads(done.stdout.splitlines()[-1])


def load(directory: Path, ranks: int = 1, **options: Any) -> list[dict[str, Any]]:
    """What each rank has when it has loaded the model."""
    flags = [f"{name}={json.dumps(value)}" for name, value in options.items()]
    with tempfile.TemporaryDirectory() as place:
        running = []
        for rank in range(ranks):
            command = [sys.executable, str(Path(__file__).with_name("vllm_rank.py"))]
            command += [str(directory), str(rank), str(ranks), f"{place}/meeting", *flags]
            running.append(
                subprocess.Popen(
                    command,
                    env=ENVIRONMENT,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        ended = [process.communicate(timeout=900) for process in running]
    for process, (_, said) in zip(running, ended, strict=True):
        assert process.returncode == 0, said[-8000:]
    return [json.loads(output.splitlines()[-1]) for output, _ in ended]


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compressed directory; the de-quantised checkpoint lies beside it."""
    place = tmp_path_factory.mktemp("smollm2")
    ecf8.compress(MODELS / "smollm2-block", place / "packed")
    dequantize(MODELS / "smollm2-block", place / "plain")
    return place / "packed"


@pytest.fixture(scope="module")
def served(smollm2: Path) -> Iterator[OwnDaemon]:
    with tempfile.TemporaryDirectory(prefix="ecf8-") as place:
        own = OwnDaemon(Path(place), smollm2)
        yield own
        own.stop()


@pytest.fixture(scope="module")
def wanted(smollm2: Path) -> Any:
    return generate(smollm2.parent / "plain")


def test_tokens_from_a_directory(smollm2: Path, wanted: Any) -> None:
    assert [len(tokens) for tokens in wanted] == [TOKENS] * len(PROMPTS)
    assert generate(smollm2, load_format="ecf8") == wanted


def test_tokens_from_a_daemon(
    smollm2: Path, served: OwnDaemon, wanted: Any, tmp_path: Path
) -> None:
    alone = tmp_path / smollm2.name  # no weights: they cannot come from here
    alone.mkdir()
    for file in smollm2.iterdir():
        if file.suffix == ".json":
            (alone / file.name).write_bytes(file.read_bytes())
    extra = {"daemon": served.address}
    assert generate(alone, load_format="ecf8", model_loader_extra_config=extra) == wanted


def test_stock_serve(smollm2: Path, served: OwnDaemon, wanted: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("vllm")), "serve", str(smollm2)]
    command += ["--load-format", "ecf8", "--max-model-len=512", "--enforce-eager"]
    command += ["--model-loader-extra-config", json.dumps({"daemon": served.address})]
    command += [f"--port={port}", "--host=127.0.0.1"]
    with tempfile.TemporaryFile("w+") as log:
        serving = subprocess.Popen(
            command, env=ENVIRONMENT, stdout=log, stderr=log, start_new_session=True
        )
        try:
            deadline = time.monotonic() + 600
            while not _answers(f"http://127.0.0.1:{port}/health"):
                if serving.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise AssertionError(log.read()[-8000:])
                time.sleep(1)
            asked = {"model": str(smollm2), "prompt": PROMPTS[0], "max_tokens": TOKENS}
            asked |= {"temperature": 0, "ignore_eos": True}
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/completions",
                json.dumps(asked).encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=300) as answer:
                text = json.load(answer)["choices"][0]["text"]
        finally:
            os.killpg(serving.pid, signal.SIGKILL)
            serving.wait()
    tokenizer = transformers.AutoTokenizer.from_pretrained(smollm2)
    assert text == tokenizer.decode(wanted[0])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("llama")
    hf_models.save(hf_models.llama_config(), place / "fp8", seed=7)
    ecf8.compress(place / "fp8", place / "packed")
    dequantize(place / "fp8", place / "plain")
    return place / "packed"


def test_ranks_take_their_rows(llama: Path) -> None:
    wanted = load(llama.parent / "plain", ranks=2)
    found = load(llama, ranks=2, load_format="ecf8")
    for one, other in zip(found, wanted, strict=True):
        assert one["parameters"] == other["parameters"]
    assert wanted[0]["parameters"] != wanted[1]["parameters"]
    for rank in found:
        layer = "model.layers.3"
        read = rank["read"]
        assert read[f"{layer}.mlp.up_proj.weight"] == 256  # of 512
        assert read[f"{layer}.self_attn.q_proj.weight"] == 128  # of 256
        assert read[f"{layer}.mlp.down_proj.weight"] == 256  # it is cut the other way
        assert read["model.embed_tokens.weight"] <= 256  # of 384, padded


def test_fp8_stays_where_it_is_asked_for(llama: Path) -> None:
    (wanted,) = load(llama.parent / "fp8")
    (found,) = load(llama, load_format="ecf8", quantization="ecf8_fp8")
    assert found["parameters"] == wanted["parameters"]
    assert "torch.float8_e4m3fn" in found["dtypes"].values()
    (numbers,) = load(llama, load_format="ecf8", quantization="ecf8_dequantized")
    assert set(numbers["dtypes"].values()) == {"torch.bfloat16"}


def test_ranks_take_their_experts(tmp_path: Path) -> None:
    config = transformers.Qwen3MoeConfig(
        hidden_size=256,
        intermediate_size=512,
        moe_intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        num_experts=8,
        num_experts_per_tok=2,
        vocab_size=384,
        tie_word_embeddings=False,
    )
    hf_models.save(config, tmp_path / "fp8", seed=3)
    ecf8.compress(tmp_path / "fp8", tmp_path / "packed")
    dequantize(tmp_path / "fp8", tmp_path / "plain")
    options: dict[str, Any] = {"ranks": 2, "enable_expert_parallel": True}
    wanted = load(tmp_path / "plain", **options)
    found = load(tmp_path / "packed", load_format="ecf8", **options)
    for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
        assert one["parameters"] == other["parameters"]
        own = range(4 * number, 4 * number + 4)
        read = {n for n in one["read"] if ".experts." in n and n.endswith(".weight")}
        assert read == {
            f"model.layers.{layer}.mlp.experts.{expert}.{kind}_proj.weight"
            for layer in range(2)
            for expert in own
            for kind in ("gate", "up", "down")
        }


def test_errors_reach_the_user(llama: Path, tmp_path: Path) -> None:
    def fails(**options: Any) -> str:
        with pytest.raises(AssertionError) as caught:
            load(llama, load_format="ecf8", **options)
        return str(caught.value)

    nobody = f"unix:{tmp_path}/s"
    assert f"no daemon answers at '{nobody}'" in fails(model_loader_extra_config={"daemon": nobody})
    assert "no option 'deamon'" in fails(model_loader_extra_config={"deamon": nobody})
    other = {"digest": "0123456789abcdef"}
    assert "0123456789abcdef were asked for" in fails(model_loader_extra_config=other)
