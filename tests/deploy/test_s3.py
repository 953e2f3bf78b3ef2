"""`ecf8 pull s3://`, and SeaweedFS, which speaks as S3 does and checks every signature. What is
there was put there by curl."""

import filecmp
import json
import os
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
ECF8 = ROOT / "build" / "release" / "bin" / "ecf8"
WEED = ROOT / "build" / "venv-deploy" / "bin" / "weed"
KEY = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
# What has to be encoded in a URL, and what libcurl 7.88 signs wrongly where it is not.
PLACE = "models/llm/a +b/tiny=1"


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class S3Test(unittest.TestCase):
    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="ecf8-s3-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "AWS_ACCESS_KEY_ID": KEY[0],
            "AWS_SECRET_ACCESS_KEY": KEY[1],
        }
        self.start_server()
        self.make_model()
        self.put("models")
        for file in sorted((self.directory / "model").rglob("*")):
            if file.is_file():
                self.put(f"{PLACE}/{file.relative_to(self.directory / 'model')}", file)

    def start_server(self) -> None:
        s3, master, volume, filer, *grpc = free_ports(8)
        config = self.directory / "s3.json"
        keys = [{"accessKey": KEY[0], "secretKey": KEY[1]}]
        actions = ["Admin", "Read", "Write", "List"]
        identities = [{"name": "t", "credentials": keys, "actions": actions}]
        config.write_text(json.dumps({"identities": identities}))
        (self.directory / "data").mkdir()
        command: list[Any] = [WEED, "server", "-s3", "-filer", "-ip=127.0.0.1"]
        command += [f"-dir={self.directory}/data", "-ip.bind=127.0.0.1", "-volume.max=20"]
        command += [f"-s3.config={config}", f"-s3.port={s3}", f"-s3.port.grpc={grpc[0]}"]
        command += [f"-master.port={master}", f"-master.port.grpc={grpc[1]}"]
        command += [f"-volume.port={volume}", f"-volume.port.grpc={grpc[2]}"]
        command += [f"-filer.port={filer}", f"-filer.port.grpc={grpc[3]}"]
        log = (self.directory / "log").open("w")
        process = subprocess.Popen(command, stdout=log, stderr=log)
        self.addCleanup(log.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        self.url = f"http://127.0.0.1:{s3}"
        self.environment["AWS_ENDPOINT_URL_S3"] = self.url
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
            except urllib.error.HTTPError:
                return  # refused: it is there
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
            else:
                return
        self.fail((self.directory / "log").read_text())

    def make_model(self) -> None:
        source = self.directory / "source"
        source.mkdir()
        weights = np.random.default_rng(1).standard_normal((512, 1024), np.float32)
        save_file(
            {f"model.layers.{i}.mlp.up_proj.weight": weights + i for i in range(3)},
            source / "model.safetensors",
        )
        (source / "config.json").write_text("{}")
        model = self.directory / "model"
        subprocess.run([ECF8, "compress", source, model], check=True, capture_output=True)

    def put(self, path: str, file: Path | None = None) -> None:
        """A file, or a bucket. Until the server has room for it, which it is still making."""
        url = f"{self.url}/{urllib.parse.quote(path)}"
        sign = ["--user", ":".join(KEY), "--aws-sigv4", "aws:amz:us-east-1:s3"]
        what = ["--upload-file", str(file)] if file else ["--request", "PUT"]
        retry = ["--retry", "20", "--retry-delay", "1", "--retry-all-errors"]
        command = ["curl", "--silent", "--show-error", "--fail", *retry, *sign, *what, url]
        subprocess.run(command, check=True, capture_output=True)

    def pull(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        shutil.rmtree(self.directory / "pulled", ignore_errors=True)
        return subprocess.run(
            [ECF8, "pull", *arguments, self.directory / "pulled"],
            env=self.environment | environment,
            capture_output=True,
            text=True,
        )

    def test_pulls_and_is_refused(self) -> None:
        pulled = self.pull(f"s3://{PLACE}")
        self.assertEqual(pulled.returncode, 0, pulled.stderr)
        names = [path.name for path in (self.directory / "model").iterdir()]
        _, different, missing = filecmp.cmpfiles(
            self.directory / "model", self.directory / "pulled", names, shallow=False
        )
        self.assertEqual((different, missing), ([], []))

        for code, arguments, environment in (
            ("SignatureDoesNotMatch", [], {"AWS_SECRET_ACCESS_KEY": "another"}),
            ("InvalidAccessKeyId", [], {"AWS_ACCESS_KEY_ID": "ANOTHER"}),
            ("AccessDenied", ["--no-sign-request"], {}),
        ):
            with self.subTest(code=code):
                refused = self.pull(*arguments, f"s3://{PLACE}", **environment)
                self.assertEqual(refused.returncode, 1)
                self.assertIn(code, refused.stderr)
                self.assertFalse((self.directory / "pulled").exists())
        self.assertIn("no ecf8 model", self.pull("s3://models/llm/nothing").stderr)


if __name__ == "__main__":
    unittest.main()
