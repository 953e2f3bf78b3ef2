"""An `ecf8d` of a test's own."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import ecf8

ECF8D = Path(__file__).resolve().parents[2] / "build" / "release" / "bin" / "ecf8d"


class OwnDaemon:
    """Serves a compressed directory on a Unix socket in `place`, which must be short."""

    def __init__(self, place: Path, model: Path, slot_budget: str = "64MiB") -> None:
        self.address = f"unix:{place}/s"
        self.model = model.name
        self._command = [
            str(ECF8D),
            f"--model-dir={model}",
            f"--listen={self.address}",
            f"--slot-budget={slot_budget}",
            "--host-budget=128MiB",
        ]
        self._log = place / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            try:
                ecf8.connect(self.address, timeout=60)
                return
            except ecf8.UnavailableError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise AssertionError(self._log.read_text()) from error
            time.sleep(0.02)

    def connect(self) -> ecf8.Daemon:
        return ecf8.connect(self.address, timeout=60)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait()
