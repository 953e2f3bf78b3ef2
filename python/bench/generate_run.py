"""One way to generate, in a process of its own: prints a JSON object of what it took.

Started by generate_bench.py. Nothing heavy is imported before memory is first looked at.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

WARM_TOKENS = 4
ATTACHED = ("daemon", "directory")
WAYS = ("resident", *ATTACHED, "disk_offload", "airllm")


def memory_bytes(pids: list[int]) -> int:
    """What these processes hold together, the page cache not counted: their anonymous memory, and
    shared memory, which is one process's, the daemon's slots, and mapped by the other.

    It is the PSS of both, without a walk over all pages, which would take milliseconds of a core
    that the model wants.
    """
    anonymous_bytes, shared_bytes = 0, 0
    for pid in pids:
        fields = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        anonymous_bytes += 1024 * int(fields["RssAnon"].split()[0])
        shared_bytes = max(shared_bytes, 1024 * int(fields["RssShmem"].split()[0]))
    return anonymous_bytes + shared_bytes


def cpu_seconds(pids: list[int]) -> float:
    """That these processes have used together so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class PeakMemory:
    """Looks every 20 ms."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids
        self._ended = threading.Event()
        self.peak_bytes = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            self.peak_bytes = max(self.peak_bytes, memory_bytes(self._pids))

    def end(self) -> int:
        self._ended.set()
        self._thread.join()
        return max(self.peak_bytes, memory_bytes(self._pids))


def load(options: argparse.Namespace) -> Any:
    """The model, by the way that was asked for."""
    import torch
    import transformers

    if options.way == "resident":
        return transformers.AutoModelForCausalLM.from_pretrained(
            options.plain, dtype=torch.bfloat16
        )
    if options.way == "airllm":
        from airllm import AutoModel  # type: ignore[import-not-found]

        # It says what it does on the standard output, which is for the result here.
        with redirect_stdout(sys.stderr):
            return AutoModel.from_pretrained(
                str(options.plain),
                layer_shards_saving_path=str(options.offload / "airllm"),
                device="cpu",
                dtype=torch.bfloat16,
            )
    if options.way == "disk_offload":
        config = json.loads((options.plain / "config.json").read_text())
        places = {f"model.layers.{i}": "disk" for i in range(config["num_hidden_layers"])}
        stay = ("model.embed_tokens", "model.norm", "model.rotary_emb", "lm_head")
        return transformers.AutoModelForCausalLM.from_pretrained(
            options.plain,
            dtype=torch.bfloat16,
            device_map={**places, **dict.fromkeys(stay, "cpu")},
            offload_folder=str(options.offload),
        )
    import ecf8
    import ecf8.transformers

    source = None
    if options.way == "daemon":
        source = ecf8.connect(options.daemon).model(options.packed.name)
    return ecf8.transformers.from_pretrained(options.packed, source, slots=options.slots)


def _stall_seconds(model: Any, way: str) -> float:
    """In which layers have waited for their weights so far."""
    if way not in ATTACHED:
        return 0.0
    import ecf8.torch

    return float(ecf8.torch.attachment(model).statistics.stall_seconds)


class Cold:
    """Makes the page cache forget the files of all ways before each token, so that who reads them
    reads the disk. A logits processor of transformers."""

    def __init__(self, folders: list[Path]) -> None:
        self._folders = folders
        self.seconds = 0.0
        """That it took so far."""

    def __call__(self, ids: Any, scores: Any) -> Any:
        begun = time.perf_counter()
        for file in (file for folder in self._folders for file in folder.rglob("*.safetensors")):
            descriptor = os.open(file, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)
        self.seconds += time.perf_counter() - begun
        return scores


class Generation:
    """What answers took: only their tokens are timed, not how each begins."""

    def __init__(self, options: argparse.Namespace, model: Any, pids: list[int]) -> None:
        self._model = model
        self._pids = pids
        self._way = options.way
        self._limits: dict[str, Any] = {"do_sample": False, "use_cache": True}
        self._cold = Cold([options.plain, options.packed, options.offload])
        if options.cold:
            self._limits["logits_processor"] = [self._cold]
        self.seconds = self.cpu_seconds = self.stall_seconds = 0.0
        self.tokens: list[list[int]] = []

    def _generate(self, ids: Any, tokens: int) -> list[int]:
        limits = {**self._limits, "max_new_tokens": tokens, "min_new_tokens": tokens}
        inputs = {**ids}
        with redirect_stdout(sys.stderr):
            found = self._model.generate(inputs.pop("input_ids"), **inputs, **limits)
        new: list[int] = found[0, ids["input_ids"].shape[1] :].tolist()
        return new

    def _spent(self) -> tuple[float, float, float]:
        """Seconds of the clock, of processors, and in which layers have waited."""
        stalled = _stall_seconds(self._model, self._way)
        return time.perf_counter() - self._cold.seconds, cpu_seconds(self._pids), stalled

    def answer(self, ids: Any, tokens: int) -> None:
        if self._way != "airllm":  # each of whose tokens takes seconds
            self._generate(ids, WARM_TOKENS)
        before = self._spent()
        self.tokens.append(self._generate(ids, tokens))
        spent = [now - then for now, then in zip(self._spent(), before, strict=True)]
        self.seconds += spent[0]
        self.cpu_seconds += spent[1]
        self.stall_seconds += spent[2]

    def result(self) -> dict[str, Any]:
        made = sum(len(tokens) for tokens in self.tokens)
        found: dict[str, Any] = {
            "tokens": self.tokens,
            "tokens_per_second": made / self.seconds,
            "cpu_ms_per_token": 1000 * self.cpu_seconds / made,
        }
        if self._way in ATTACHED:
            found["stall_share"] = self.stall_seconds / self.seconds
        return found


def main() -> None:
    options = _arguments()
    import torch
    import transformers

    if options.threads:
        torch.set_num_threads(options.threads)
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.packed)
    pids = [os.getpid(), *options.pid]
    before_bytes = memory_bytes(pids[:1])
    peak = PeakMemory(pids)
    begun = time.perf_counter()
    model = load(options)
    model.eval()
    loaded = time.perf_counter()
    generation = Generation(options, model, pids)
    with torch.inference_mode():
        for prompt in options.prompt:
            ids: Any = tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}],
                add_generation_prompt=True,
                return_tensors="pt",
                return_dict=True,
            )
            generation.answer(ids, options.tokens)
    result = {"way": options.way, "load_seconds": loaded - begun, **generation.result()}
    result["peak_bytes"] = peak.end() - before_bytes
    print(json.dumps(result))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--plain", type=Path, required=True, help="the BF16 checkpoint")
    parser.add_argument("--packed", type=Path, required=True, help="the compressed one")
    parser.add_argument("--offload", type=Path, required=True)
    parser.add_argument("--daemon", default="")
    parser.add_argument("--pid", type=int, action="append", default=[], help="counted, too")
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--threads", type=int, default=0, help="of PyTorch; 0: its own choice")
    parser.add_argument("--cold", action="store_true", help="the page cache forgets between tokens")
    parser.add_argument("prompt", nargs="+")
    return parser.parse_args()


if __name__ == "__main__":
    main()
