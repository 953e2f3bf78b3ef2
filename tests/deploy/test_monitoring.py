"""What operators watch the daemon with: a real Prometheus scrapes a real ecf8d, loads the alert
rules, and answers every query of the dashboard. Run by `tools/test deploy`, which installs what it
needs.
"""

import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / "build" / "release" / "bin"
DEPLOY = ROOT / "deploy"
CHECKED: Any = {"check": True, "capture_output": True}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        text: str = response.read().decode()
        return text


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            get(url)
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def dashboard_queries() -> list[str]:
    dashboard = json.loads((DEPLOY / "grafana" / "ecf8.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]


class MonitoringTest(unittest.TestCase):
    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="ecf8-deploy-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.make_model()
        metrics, web = free_port(), free_port()
        self.start(
            BIN / "ecf8d",
            f"--model-dir={self.directory}/model",
            f"--listen=unix:{self.directory}/s",
            f"--metrics-listen=127.0.0.1:{metrics}",
        )
        self.metrics_url = f"http://127.0.0.1:{metrics}/metrics"
        wait_for(self.metrics_url)
        self.start_prometheus(metrics, web)

    def make_model(self) -> None:
        source = self.directory / "source"
        source.mkdir()
        save_file(
            {"model.layers.0.mlp.up_proj.weight": np.ones((64, 64), np.float32)},
            source / "model.safetensors",
        )
        (source / "config.json").write_text("{}")
        subprocess.run(
            [BIN / "ecf8", "compress", source, self.directory / "model"],
            check=True,
            capture_output=True,
        )

    def start(self, *command: Any) -> None:
        log = (self.directory / "log").open("a")
        process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log)
        self.addCleanup(log.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

    def start_prometheus(self, metrics: int, web: int) -> None:
        config = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
        config = config.replace("scrape_interval: 15s", "scrape_interval: 1s").replace(
            "127.0.0.1:9464", f"127.0.0.1:{metrics}"
        )
        (self.directory / "prometheus.yml").write_text(config)
        shutil.copy(DEPLOY / "prometheus" / "ecf8.rules.yml", self.directory)
        self.start(
            "prometheus",
            f"--config.file={self.directory}/prometheus.yml",
            f"--storage.tsdb.path={self.directory}/tsdb",
            f"--web.listen-address=127.0.0.1:{web}",
        )
        self.url = f"http://127.0.0.1:{web}"
        wait_for(f"{self.url}/-/ready")

    def query(self, expression: str) -> list[Any]:
        answer = json.loads(
            get(f"{self.url}/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        )
        self.assertEqual(answer["status"], "success", expression)
        result: list[Any] = answer["data"]["result"]
        return result

    def test_a_prometheus_scrapes_it_and_answers_the_dashboard(self) -> None:
        fetch: list[str | Path] = [
            BIN / "ecf8",
            "fetch",
            "model",
            f"--daemon=unix:{self.directory}/s",
        ]
        for _ in range(2):
            subprocess.run([*fetch, "--form=decoded"], **CHECKED)
        deadline = time.monotonic() + 60
        while len(self.query('ecf8_rpc_handled_total{method="Fetch",code="OK"} == 2')) != 1:
            self.assertLess(time.monotonic(), deadline, "the fetches are not seen")
            time.sleep(0.5)
        for settled in (
            'count_over_time(ecf8_rpc_handled_total{method="Fetch",code="OK"}[10s]) >= 3',
            'up{job="ecf8"} == 1',
        ):
            while len(self.query(settled)) != 1:
                self.assertLess(time.monotonic(), deadline, "rates need some samples")
                time.sleep(0.5)
        told = set(re.findall(r"^# TYPE (\S+)", get(self.metrics_url), re.MULTILINE))
        for query in dashboard_queries():
            expression = query.replace("$__rate_interval", "10s").replace("$instance", ".*")
            for name in re.findall(r"\b((?:ecf8|process)_\w+?)(?:_bucket)?\{", expression):
                self.assertIn(name, told, query)
            self.assertGreater(len(self.query(expression)), 0, query)
        rules = json.loads(get(f"{self.url}/api/v1/rules"))["data"]["groups"][0]["rules"]
        self.assertGreaterEqual(len(rules), 9)
        for rule in rules:
            self.assertEqual(rule.get("lastError", ""), "", rule["name"])
            self.assertEqual(rule["state"], "inactive", rule["name"])
            for name in re.findall(r"\b((?:ecf8|process)_\w+?)(?:_bucket)?\b", rule["query"]):
                self.assertIn(name, told, rule["name"])

    def test_the_rules_fit_their_own_checker(self) -> None:
        for check in (["rules", "ecf8.rules.yml"], ["config", "prometheus.yml"]):
            subprocess.run(["promtool", "check", *check], **CHECKED, cwd=DEPLOY / "prometheus")
        told = get(self.metrics_url)
        metrics = subprocess.run(
            ["promtool", "check", "metrics"], input=told, text=True, capture_output=True
        )
        lines = (metrics.stdout + metrics.stderr).splitlines()
        # What the library that serves them tells of itself is not ours.
        self.assertEqual([line for line in lines if "exposer_" not in line], [])


if __name__ == "__main__":
    unittest.main()
