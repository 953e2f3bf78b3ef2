"""Answers a prompt with a model whose weights do not fit: they come from a daemon, layer by layer.

    ecf8d --model-dir SmolLM2-ecf8 --slot-budget=24MiB &
    python generate.py SmolLM2-ecf8 "What is gravity?"

The text appears as it is made. What it took is told afterwards: tokens a second, memory, and how
often the daemon had what was asked for. With --embedded there is no daemon: this process decodes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch
import transformers

import ecf8
import ecf8.torch
import ecf8.transformers

MIB = 1 << 20


class TimedStreamer(transformers.TextStreamer):
    """Prints words as they are complete, and remembers when each token came."""

    def __init__(self, tokenizer: Any) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self.times: list[float] = []

    def put(self, value: torch.Tensor) -> None:
        self.times.append(time.perf_counter())
        super().put(value)  # type: ignore[no-untyped-call]


def main() -> None:
    options = _arguments()
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.directory)
    daemon = None if options.embedded else ecf8.connect(options.daemon)
    source = None if daemon is None else daemon.model(options.model or options.directory.name)
    model = ecf8.transformers.from_pretrained(options.directory, source, slots=options.slots)
    inputs = _encode(tokenizer, options.prompt)
    streamer = TimedStreamer(tokenizer)
    with torch.inference_mode():
        model.generate(**inputs, max_new_tokens=options.tokens, do_sample=False, streamer=streamer)
    _report(model, streamer.times, daemon)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, help="a compressed Hugging Face directory")
    parser.add_argument("prompt", nargs="?", default="What is gravity?")
    parser.add_argument("--daemon", default="", help="its address; default: $ECF8_DAEMON, your own")
    parser.add_argument("--model", default="", help="its name there; default: the directory's")
    parser.add_argument("--embedded", action="store_true", help="without a daemon")
    parser.add_argument("--slots", type=int, default=4, help="layers in memory at once (4)")
    parser.add_argument("--tokens", type=int, default=64, help="at most so many (64)")
    return parser.parse_args()


def _encode(tokenizer: Any, prompt: str) -> Any:
    if tokenizer.chat_template is None:
        return tokenizer(prompt, return_tensors="pt")
    messages = [{"role": "user", "content": prompt}]
    return tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )


def _report(model: Any, times: list[float], daemon: ecf8.Daemon | None) -> None:
    # The first time is the prompt's, the second the first token's.
    seconds = times[-1] - times[1]
    statistics = ecf8.torch.attachment(model).statistics
    print(f"\n{(len(times) - 2) / seconds:.1f} tokens/s after the first, ", end="")
    print(f"which took {times[1] - times[0]:.2f} s; {len(times) - 1} tokens")
    print(f"weights in memory: {statistics.resident_bytes / MIB:.0f} MiB that stay, ", end="")
    print(f"{statistics.stream_bytes / MIB:.0f} MiB for layers that come and go")
    waited = statistics.stall_seconds / (times[-1] - times[0])
    print(f"layers waited for their weights {waited:.0%} of the time")
    if daemon is None:
        return
    status = daemon.status()
    for name, tier in (("decoded", status.slots), ("compressed", status.host)):
        asked = tier.hits + tier.misses
        rate = f"{tier.hits / asked:.0%}" if asked else "-"
        print(f"daemon, {name}: {rate} hits of {asked}, {tier.capacity_bytes / MIB:.0f} MiB")


if __name__ == "__main__":
    main()
