"""The systemd units: its own checker takes them, the hardening stays as good as it was, and the
daemon serves at sockets that systemd has opened."""

import os
import re
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / "build" / "release" / "bin"
UNIT = ROOT / "deploy" / "systemd" / "ecf8d.service"
SOCKET = UNIT.with_suffix(".socket")
MOST_EXPOSURE = 2.0


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True)


class UnitTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="ecf8-unit-")
        self.addCleanup(directory.cleanup)
        # With a program that is there.
        self.unit = Path(directory.name) / UNIT.name
        self.unit.write_text(UNIT.read_text().replace("/usr/bin/ecf8d", "/bin/true"))
        self.socket = Path(directory.name) / SOCKET.name
        self.socket.write_text(SOCKET.read_text())

    def test_systemd_takes_them(self) -> None:
        checked = analyze("verify", self.unit, self.socket)
        complaints = [line for line in checked.stderr.splitlines() if "ecf8d" in line]
        self.assertEqual((checked.returncode, complaints), (0, []), checked.stderr)

    def test_it_is_hardened(self) -> None:
        checked = analyze("security", "--offline=true", "--no-pager", self.unit)
        found = re.search(r"Overall exposure level.*: ([0-9.]+)", checked.stdout)
        assert found is not None, checked.stdout + checked.stderr
        self.assertLessEqual(float(found[1]), MOST_EXPOSURE)


class ActivationTest(unittest.TestCase):
    """By systemd-socket-activate, which opens sockets and starts a program as systemd does."""

    def test_it_serves_at_sockets_that_were_opened_for_it(self) -> None:
        with tempfile.TemporaryDirectory(prefix="ecf8-activation-") as name:
            directory = Path(name)
            (directory / "models").mkdir()
            path = directory / "s.sock"
            log = (directory / "log").open("w+")
            daemon = subprocess.Popen(
                [
                    "systemd-socket-activate",
                    f"--listen={path}",
                    f"--listen={path}.slots",
                    BIN / "ecf8d",
                    f"--listen=unix:{path}",
                    f"--model-root={directory}/models",
                ],
                stderr=log,
            )
            self.addCleanup(daemon.kill)
            deadline = time.monotonic() + 60
            while not path.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            inode = path.stat().st_ino
            while True:  # the socket is there before anybody listens
                asked = subprocess.run(
                    [BIN / "ecf8", "status", "--daemon", f"unix:{path}"],
                    capture_output=True,
                    text=True,
                )
                if asked.returncode == 0 or time.monotonic() > deadline:
                    break
                time.sleep(0.1)
            log.seek(0)
            self.assertEqual(asked.returncode, 0, asked.stderr + log.read())
            os.kill(daemon.pid, signal.SIGTERM)
            self.assertEqual(daemon.wait(timeout=60), 0)
            self.assertEqual(path.stat().st_ino, inode, "the socket is not the daemon's to remove")
            log.close()


if __name__ == "__main__":
    unittest.main()
