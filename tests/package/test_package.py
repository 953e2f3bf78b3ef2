"""The Debian package as a new operator gets it: installed into a clean root, tried as
docs/OPERATIONS.md says, upgraded, removed, purged. Run by `tools/test package`, which makes the
packages and the root.
"""

import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import ml_dtypes
import numpy as np

BUILD = Path(__file__).resolve().parents[2] / "build"
BASE = BUILD / "package" / "base.tar"
# What apt, dpkg and the accounts' tools change by themselves.
VOLATILE = (
    *("dev", "proc", "run/lock", "sys", "tmp"),
    *("var/cache", "var/lib/apt", "var/lib/dpkg", "var/log"),
)


def packages() -> list[Path]:
    return sorted((BUILD / "package").glob("ecf8_*.deb"))


class CleanRoot:
    """A Debian in a directory of its own, with /proc and /dev, and nothing of ours."""

    def __init__(self, path: Path) -> None:
        self.path = path
        subprocess.run(["tar", "-xf", BASE, "-C", path], check=True)
        shutil.copy("/etc/resolv.conf", path / "etc" / "resolv.conf")

    def command(self, script: str) -> list[str]:
        inside = (
            f"mount -t proc proc '{self.path}/proc' && mount --rbind /dev '{self.path}/dev' && "
            f"exec chroot '{self.path}' /bin/sh -ec \"$0\""
        )
        return ["unshare", "--mount", "sh", "-c", inside, script]

    def run(self, script: str) -> str:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        done = subprocess.run(self.command(script), capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise AssertionError(f"{script}\n{done.stdout}{done.stderr}")
        return done.stdout

    def files(self) -> set[str]:
        found: set[str] = set()
        for directory, names, files in os.walk(self.path):
            inside = os.path.relpath(directory, self.path)
            names[:] = [n for n in names if os.path.normpath(f"{inside}/{n}") not in VOLATILE]
            found.update(os.path.normpath(f"{inside}/{name}") for name in names + files)
        # Copies that useradd keeps of what it has changed.
        return {name for name in found if not name.endswith("-")}

    def text(self, name: str) -> str:
        return (self.path / name).read_text()


def field(deb: Path, name: str) -> str:
    told = subprocess.run(["dpkg-deb", "-f", deb, name], check=True, capture_output=True, text=True)
    return told.stdout.strip()


class ControlTest(unittest.TestCase):
    def test_its_maintainer_is_who_was_named_or_has_no_address(self) -> None:
        cache = (BUILD / "release" / "CMakeCache.txt").read_text()
        named = re.search(r"^ECF8_PACKAGE_CONTACT:STRING=(.*)$", cache, re.MULTILINE)
        assert named is not None
        for deb in packages():
            self.assertEqual(field(deb, "Maintainer"), named[1])


class PackageTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = Path(tempfile.mkdtemp(prefix="ecf8-root-", dir=BUILD / "package"))
        self.addCleanup(shutil.rmtree, directory)
        directory.chmod(0o755)
        self.root = CleanRoot(directory)
        self.debs = packages()
        self.assertEqual(len(self.debs), 2, "of two versions")
        for deb in self.debs:
            shutil.copy(deb, directory / "root")
        self.first, self.second = (f"/root/{deb.name}" for deb in self.debs)
        self.root.run("apt-get update -q")
        depends = field(self.debs[0], "Depends")
        self.root.run(f"apt-get satisfy -qy --no-install-recommends '{depends}'")
        self.before = self.root.files()
        self.accounts = [self.root.text(f"etc/{name}") for name in ("passwd", "group")]

    def put_model(self) -> bytes:
        """A model's original directory, at /root/source."""
        source = self.root.path / "root" / "source"
        source.mkdir()
        drawn = np.random.default_rng(1).normal(0, 0.05, (512, 512))
        weights = drawn.astype(ml_dtypes.float8_e4m3fn).tobytes()
        tensor = {"dtype": "F8_E4M3", "shape": [512, 512], "data_offsets": [0, len(weights)]}
        header = json.dumps({"model.layers.0.mlp.up_proj.weight": tensor}).encode()
        header += b" " * (-len(header) % 8)
        size = struct.pack("<Q", len(header))
        (source / "model.safetensors").write_bytes(size + header + weights)
        (source / "config.json").write_text("{}")
        return weights

    def test_installs_serves_upgrades_and_goes(self) -> None:
        self.root.run(f"apt-get install -qy --no-install-recommends {self.first}")
        self.root.run(
            "ecf8 --version && ecf8d --version && ldconfig -p | grep -q libecf8client.so.0"
        )
        self.root.run('test "$(stat -c %U:%G:%a /var/lib/ecf8/models)" = ecf8:ecf8:750')
        for link in ("multi-user.target.wants/ecf8d.service", "sockets.target.wants/ecf8d.socket"):
            self.assertTrue((self.root.path / "etc/systemd/system" / link).is_symlink(), link)

        self.serve()

        config = self.root.path / "etc/ecf8/ecf8d.toml"
        config.write_text(config.read_text() + "max-streams = 7\n")
        self.root.run(f"apt-get install -qy --no-install-recommends {self.second}")
        self.assertIn("max-streams = 7", config.read_text())
        self.root.run("ecf8d --config /etc/ecf8/ecf8d.toml --check-config")

        self.root.run("apt-get remove -qy ecf8")
        self.assertFalse((self.root.path / "usr/bin/ecf8d").exists())
        self.assertIn("max-streams = 7", config.read_text())
        self.root.run("apt-get purge -qy ecf8")
        left = self.root.files() - self.before
        self.assertEqual({n for n in left if not n.startswith(("root", "var/lib/ecf8"))}, set())
        self.assertIn("ecf8:", self.root.text("etc/passwd"), "whose the models are")

        self.root.run(f"apt-get install -qy --no-install-recommends {self.second}")
        self.root.run("rm -rf /var/lib/ecf8/models/*; apt-get purge -qy ecf8")
        left = self.root.files() - self.before
        self.assertEqual({name for name in left if not name.startswith("root")}, set())
        self.assertEqual(
            [self.root.text(f"etc/{name}") for name in ("passwd", "group")], self.accounts
        )

    def serve(self) -> None:
        weights = self.put_model()
        self.root.run(
            "ecf8 compress /root/source /var/lib/ecf8/models/tiny && "
            "chown -R ecf8:ecf8 /var/lib/ecf8/models && "
            "install -d -o ecf8 -g ecf8 -m 0750 /run/ecf8"
        )
        log = self.root.path / "root" / "log"
        with log.open("w") as out:
            daemon = subprocess.Popen(
                self.root.command(
                    "exec setpriv --reuid=ecf8 --regid=ecf8 --clear-groups "
                    "ecf8d --config /etc/ecf8/ecf8d.toml"
                ),
                stderr=out,
            )
        try:
            deadline = time.monotonic() + 30
            while "listening on" not in log.read_text():
                self.assertIsNone(daemon.poll(), log.read_text())
                self.assertLess(time.monotonic(), deadline, log.read_text())
                time.sleep(0.05)
            ask = "export ECF8_DAEMON=unix:/run/ecf8/ecf8d.sock; "
            self.assertIn("tiny", self.root.run(ask + "ecf8 models"))
            self.root.run(ask + "ecf8 fetch tiny --out /root/fetched")
            fetched = b"".join(
                path.read_bytes() for path in (self.root.path / "root/fetched").iterdir()
            )
            self.assertIn(weights, fetched)
        finally:
            daemon.terminate()
            self.assertEqual(daemon.wait(timeout=60), 0, log.read_text())


if __name__ == "__main__":
    unittest.main()
