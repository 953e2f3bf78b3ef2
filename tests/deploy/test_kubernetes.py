"""The manifests for Kubernetes against the schemas of its API, which kubernetes-validate brings
with it; and what configurations there are in deploy/ against the daemon."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DAEMON = ROOT / "build" / "release" / "bin" / "ecf8d"
CHECKER = ROOT / "build" / "venv-deploy" / "bin" / "kubernetes-validate"
DEPLOY = ROOT / "deploy"
OVERLAYS = ("base", "gpu")
# The first with resource.k8s.io/v1, and the newest that the checker knows.
VERSIONS = ("1.34", "1.37")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def patched(document: Any, patch: Any) -> Any:
    """JSON patches, as kustomize applies them: of the operations, "add" to an object."""
    for operation in patch:
        assert operation["op"] == "add", operation
        *parents, last = operation["path"].strip("/").split("/")
        place = document
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place[part]
        assert last not in place, operation
        place[last] = operation["value"]
    return document


class KubernetesTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="ecf8-kubernetes-")
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def resources(self, overlay: str) -> list[Any]:
        """What `kubectl apply -k` would send, but for the names of generated maps."""
        folder = DEPLOY / "kubernetes" / overlay
        kustomization = load(folder / "kustomization.yaml")
        found = []
        for name in kustomization["resources"]:
            path = folder / name
            found += self.resources(path.name) if path.is_dir() else [load(path)]
        for patch in kustomization.get("patches", []):
            of = patch["target"]
            (target,) = (
                r for r in found if (r["kind"], r["metadata"]["name"]) == (of["kind"], of["name"])
            )
            patched(target, load(folder / patch["path"]))
        return found

    def check(self, path: Path, count: int) -> None:
        for version in VERSIONS:
            checked = subprocess.run(
                [CHECKER, "--strict", "-k", version, path], capture_output=True, text=True
            )
            told = checked.stdout + checked.stderr
            self.assertEqual(checked.returncode, 0, told)
            # One whose kind has no schema is only warned of.
            self.assertEqual(told.count(f" against version {version}"), count, told)

    def test_the_api_takes_them(self) -> None:
        for overlay in OVERLAYS:
            resources = self.resources(overlay)
            self.assertGreater(len(resources), 1)
            path = self.directory / f"{overlay}.yaml"
            path.write_text(yaml.safe_dump_all(resources))
            self.check(path, len(resources))

    def test_the_checker_sees_what_is_wrong(self) -> None:
        resources = self.resources("gpu")
        (daemon,) = (r for r in resources if r["kind"] == "DaemonSet")
        daemon["spec"]["template"]["spec"]["containers"][0]["volumeMount"] = []
        path = self.directory / "wrong.yaml"
        path.write_text(yaml.safe_dump_all(resources))
        with self.assertRaisesRegex(AssertionError, "volumeMount"):
            self.check(path, len(resources))

    def test_kustomize_makes_the_same_of_them(self) -> None:
        if shutil.which("kubectl") is None:
            self.skipTest("there is no kubectl")
        for overlay in OVERLAYS:
            made = subprocess.run(
                ["kubectl", "kustomize", DEPLOY / "kubernetes" / overlay],
                check=True,
                capture_output=True,
                text=True,
            )
            path = self.directory / f"{overlay}.yaml"
            path.write_text(made.stdout)
            ours = {(r["kind"], r["metadata"]["name"]) for r in self.resources(overlay)}
            theirs = list(yaml.safe_load_all(made.stdout))
            maps = [r for r in theirs if r["kind"] == "ConfigMap"]
            self.assertEqual(len(maps), 1, made.stdout)
            names = {(r["kind"], r["metadata"]["name"]) for r in theirs if r not in maps}
            self.assertEqual(names, ours)
            self.check(path, len(theirs))

    def test_daemon_and_engine_share_one_claim(self) -> None:
        resources = self.resources("gpu")
        (claim,) = (r for r in resources if r["kind"] == "ResourceClaim")
        (daemon,) = (r["spec"]["template"] for r in resources if r["kind"] == "DaemonSet")
        (engine,) = (r for r in resources if r["kind"] == "Pod")
        for pod in (daemon["spec"], engine["spec"]):
            self.assertEqual(
                [c["resourceClaimName"] for c in pod["resourceClaims"]], [claim["metadata"]["name"]]
            )
            of_container = pod["containers"][0]["resources"]["claims"]
            self.assertEqual(
                [c["name"] for c in of_container], [c["name"] for c in pod["resourceClaims"]]
            )
        self.assertEqual(
            engine["spec"]["securityContext"]["runAsUser"],
            daemon["spec"]["securityContext"]["runAsUser"],
        )

    def test_the_daemon_takes_every_configuration(self) -> None:
        configurations = sorted(DEPLOY.rglob("*.toml"))
        self.assertEqual(len(configurations), 3)
        for path in configurations:
            text = path.read_text()
            # What is not on this machine.
            for place in ("/var/lib/ecf8/models", "/models"):
                text = text.replace(f'["{place}"]', f'["{self.directory}"]')
            text = text.replace('socket-group = "ecf8"', 'socket-group = "root"')
            (self.directory / "ecf8d.toml").write_text(text)
            checked = subprocess.run(
                [DAEMON, "--config", self.directory / "ecf8d.toml", "--check-config"],
                capture_output=True,
                text=True,
            )
            self.assertEqual(checked.returncode, 0, f"{path}: {checked.stderr}")
            self.assertIn("the configuration is good", checked.stderr + checked.stdout)


if __name__ == "__main__":
    unittest.main()
