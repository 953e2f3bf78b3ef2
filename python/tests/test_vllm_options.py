"""Where vLLM's loader takes weights from. These parts need no vLLM."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import ecf8
from daemon import OwnDaemon
from ecf8.vllm._options import LoaderOptions


def test_vllm_finds_it() -> None:
    (found,) = entry_points(group="vllm.general_plugins", name="ecf8")
    assert found.value == "ecf8.vllm:register"
    program = "import sys, ecf8.vllm; print('vllm' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False False\n", done.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"deamon": "unix:/s"}, "no option 'deamon', but daemon, model, digest"),
        ({"daemon": True}, "'daemon' is text, not True"),
        ({"model": "m"}, "say which, by 'daemon'"),
    ],
)
def test_options_that_are_none(given: dict[str, object], message: str) -> None:
    with pytest.raises(ecf8.InvalidArgumentError, match=message):
        LoaderOptions.of(given)


def test_the_directory(small_model: Path, tmp_path: Path) -> None:
    source = LoaderOptions.of({}).open(small_model)
    assert "scalar" in source.tensors()
    assert LoaderOptions.of({"digest": source.digest}).open(small_model).digest == source.digest
    with pytest.raises(ecf8.FailedPreconditionError, match="and 0123456789abcdef were asked for"):
        LoaderOptions.of({"digest": "0123456789abcdef"}).open(small_model)
    with pytest.raises(ecf8.NotFoundError, match="no directory 'someone/else'"):
        LoaderOptions.of({}).open("someone/else")
    with pytest.raises(ecf8.NotFoundError):
        LoaderOptions.of({}).open(small_model.parent / "plain")
    with pytest.raises(ecf8.NotFoundError):
        LoaderOptions.of({}).open(tmp_path)


def test_the_daemon(small_model: Path, daemon: OwnDaemon, tmp_path: Path) -> None:
    source = LoaderOptions.of({"daemon": daemon.address}).open(small_model)
    assert source.description == f"model {small_model.name!r} of the daemon"
    digest = source.digest
    # A directory that has no more than the configuration.
    alone = tmp_path / small_model.name
    alone.mkdir()
    (alone / "config.json").write_bytes((small_model / "config.json").read_bytes())
    assert LoaderOptions.of({"daemon": daemon.address}).open(alone).digest == digest
    other = tmp_path / "another name"
    alone.rename(other)
    with pytest.raises(ecf8.NotFoundError, match="does not serve 'another name', but 'packed'"):
        LoaderOptions.of({"daemon": daemon.address}).open(other)
    named = {"daemon": daemon.address, "model": small_model.name}
    assert LoaderOptions.of(named).open(other).digest == digest
    with pytest.raises(ecf8.FailedPreconditionError, match="0123456789abcdef were asked for"):
        LoaderOptions.of({**named, "digest": "0123456789abcdef"}).open(other)


def test_the_daemon_serves_other_weights(daemon: OwnDaemon, tmp_path: Path) -> None:
    import numpy as np

    import ecf8.numpy

    ecf8.numpy.save_file({"x": np.zeros(4, np.float32)}, tmp_path / "model.safetensors")
    options = LoaderOptions.of({"daemon": daemon.address, "model": daemon.model})
    with pytest.raises(ecf8.FailedPreconditionError, match=f"are in '{tmp_path}'"):
        options.open(tmp_path)


def test_no_daemon(small_model: Path, tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s"
    with pytest.raises(
        ecf8.UnavailableError, match=f"no daemon answers at '{address}'.*start ecf8d"
    ):
        LoaderOptions.of({"daemon": address}).open(small_model)
