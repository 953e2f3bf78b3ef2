"""docs/OPERATIONS.md has a line for every setting of the daemon and every alert, and none else."""

import re
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DAEMON = ROOT / "build" / "release" / "bin" / "ecf8d"
# Flags that are no settings.
COMMANDS = {"check-config", "config", "help", "version"}


def section(title: str) -> str:
    text = (ROOT / "docs" / "OPERATIONS.md").read_text()
    found = re.search(rf"^##+ {title}\n(.*?)^##", text, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


class OperationsTest(unittest.TestCase):
    def test_every_setting_is_there(self) -> None:
        told = subprocess.run([DAEMON, "--help"], check=True, capture_output=True, text=True)
        settings = set(re.findall(r"^ +(?:-h,)?--([a-z0-9-]+)", told.stdout, re.MULTILINE))
        names = re.findall(r"^\| (`.*?`) \|", section("Settings"), re.MULTILINE)
        documented = {name.strip("`") for cell in names for name in cell.split(", ")}
        self.assertEqual(settings - COMMANDS, documented)

    def test_every_alert_is_there(self) -> None:
        rules = (ROOT / "deploy" / "prometheus" / "ecf8.rules.yml").read_text()
        alerts = re.findall(r"alert: (\w+)", rules)
        documented = re.findall(r"^\| (Ecf8\w+) \|", section("Alerts"), re.MULTILINE)
        self.assertEqual(sorted(alerts), sorted(documented))


if __name__ == "__main__":
    unittest.main()
