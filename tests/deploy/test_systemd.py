"""The systemd unit: its own checker takes it, and its hardening stays as good as it was."""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

UNIT = Path(__file__).resolve().parents[2] / "deploy" / "systemd" / "ecf8d.service"
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

    def test_systemd_takes_it(self) -> None:
        checked = analyze("verify", self.unit)
        complaints = [line for line in checked.stderr.splitlines() if UNIT.name in line]
        self.assertEqual((checked.returncode, complaints), (0, []), checked.stderr)

    def test_it_is_hardened(self) -> None:
        checked = analyze("security", "--offline=true", "--no-pager", self.unit)
        found = re.search(r"Overall exposure level.*: ([0-9.]+)", checked.stdout)
        assert found is not None, checked.stdout + checked.stderr
        self.assertLessEqual(float(found[1]), MOST_EXPOSURE)


if __name__ == "__main__":
    unittest.main()
