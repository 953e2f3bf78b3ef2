"""`ecf8 pull hf://...` and the hub's own client bring the same files from the same server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ECF8 = ROOT / "build" / "release" / "bin" / "ecf8"
SERVER = ROOT / "tests" / "support" / "model_server.py"


def read_tree(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }


@pytest.fixture
def hub(small_model: Path, tmp_path: Path) -> Iterator[str]:
    """The endpoint of a server that has `small_model` as org/model."""
    shutil.copytree(small_model, tmp_path / "hub" / "org" / "model")
    command = [sys.executable, str(SERVER), str(tmp_path / "hub"), "--hub", "--token", "sesame"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        port = int(server.stderr.readline().rsplit(maxsplit=1)[-1])
        yield f"http://127.0.0.1:{port}"
        server.kill()


def test_both_bring_the_same(hub: str, small_model: Path, tmp_path: Path) -> None:
    environment = os.environ | {
        "HF_ENDPOINT": hub,
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": "sesame",
    }
    stock = (
        "import sys; from huggingface_hub import snapshot_download as download; "
        "download('org/model', local_dir=sys.argv[1])"
    )
    for command in (
        [sys.executable, "-c", stock, str(tmp_path / "stock")],
        [str(ECF8), "pull", "hf://org/model", str(tmp_path / "ours")],
    ):
        subprocess.run(command, env=environment, check=True, timeout=300)
    assert read_tree(tmp_path / "ours") == read_tree(small_model)
    assert read_tree(tmp_path / "stock") == read_tree(small_model)
