"""One way to generate, in a process of its own: prints a JSON object of what it took.

Started by generate_bench.py. Nothing heavy is imported before memory is first looked at.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

WARM_TOKENS = 4
ATTACHED = ("daemon", "directory")


def memory_bytes(pids: list[int]) -> int:
    """What these processes hold together, the page cache not counted: PSS of anonymous and of
    shared memory."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                total += 1024 * int(line.split()[1])
    return total


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


def main() -> None:
    options = _arguments()
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(options.packed)
    pids = [os.getpid(), *options.pid]
    before_bytes = memory_bytes(pids[:1])
    peak = PeakMemory(pids)
    begun = time.perf_counter()
    model = load(options).eval()
    loaded = time.perf_counter()
    result: dict[str, Any] = {"way": options.way, "load_seconds": loaded - begun, "tokens": []}
    generated, seconds, used, stalled = 0, 0.0, 0.0, 0.0
    with torch.inference_mode():
        for prompt in options.prompt:
            ids: Any = tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}],
                add_generation_prompt=True,
                return_tensors="pt",
                return_dict=True,
            )
            model.generate(**ids, max_new_tokens=WARM_TOKENS, do_sample=False)
            stall_before = _stall_seconds(model, options.way)
            used_before = cpu_seconds(pids)
            begun = time.perf_counter()
            tokens = model.generate(
                **ids, max_new_tokens=options.tokens, min_new_tokens=options.tokens, do_sample=False
            )
            seconds += time.perf_counter() - begun
            used += cpu_seconds(pids) - used_before
            stalled += _stall_seconds(model, options.way) - stall_before
            generated += options.tokens
            result["tokens"].append(tokens[0, ids["input_ids"].shape[1] :].tolist())
    result["tokens_per_second"] = generated / seconds
    result["cpu_ms_per_token"] = 1000 * used / generated
    if options.way in ATTACHED:
        result["stall_share"] = stalled / seconds
    result["peak_bytes"] = peak.end() - before_bytes
    print(json.dumps(result))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=("resident", "daemon", "directory", "disk_offload"))
    parser.add_argument("--plain", type=Path, required=True, help="the BF16 checkpoint")
    parser.add_argument("--packed", type=Path, required=True, help="the compressed one")
    parser.add_argument("--offload", type=Path, required=True)
    parser.add_argument("--daemon", default="")
    parser.add_argument("--pid", type=int, action="append", default=[], help="counted, too")
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("prompt", nargs="+")
    return parser.parse_args()


if __name__ == "__main__":
    main()
