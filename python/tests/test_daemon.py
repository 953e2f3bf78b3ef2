"""A real daemon: fetches, preloads, status, sessions."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import ecf8
from daemon import OwnDaemon
from ecf8._numpy_arrays import Array
from test_files import same

UP = "model.layers.0.up.weight"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_tells_what_it_serves(daemon: OwnDaemon, small_tensors: dict[str, Array]) -> None:
    client = daemon.connect()
    (model,) = client.models()
    assert model.name == daemon.model
    assert model.tensor_count == len(small_tensors)
    assert model.decoded_size_bytes == sum(array.nbytes for array in small_tensors.values())
    description = client.describe(daemon.model)
    assert description.model.digest == model.digest
    assert [unit.index for unit in description.units] == list(range(model.unit_count))
    up = next(t for unit in description.units for t in unit.tensors if t.name == UP)
    assert (up.dtype, up.shape, up.size_bytes) == ("F8_E4M3", [3000, 1024], 3000 * 1024)
    assert client.status().slots.capacity_bytes == 64 << 20


@pytest.mark.parametrize("decode_here", [False, True])
def test_fetched_tensors_are_the_originals(
    daemon: OwnDaemon, small_model: Path, decode_here: bool
) -> None:
    client = daemon.connect()
    stock = safetensors.torch.load_file(small_model.parent / "plain" / "model.safetensors")
    fetched = client.fetch(daemon.model, decode_here=decode_here)
    assert fetched.keys() == stock.keys()
    for name in stock:
        assert same(fetched[name], stock[name]), name
    some = client.fetch(daemon.model, [UP, "scalar"], framework="np", decode_here=decode_here)
    assert list(some) == [UP, "scalar"]
    assert some[UP].tobytes() == bytes(stock[UP].view(torch.uint8).numpy())


def test_what_cannot_be_fetched(daemon: OwnDaemon) -> None:
    client = daemon.connect()
    with pytest.raises(ecf8.NotFoundError, match="nothing here") as caught:
        client.fetch(daemon.model, ["nothing here"])
    assert caught.value.tensor == "nothing here"
    with pytest.raises(ecf8.NotFoundError, match="no-model") as caught:
        client.fetch("no-model")
    assert caught.value.model == "no-model"
    with pytest.raises(ecf8.UnavailableError):
        ecf8.connect("unix:/nonexistent/socket", timeout=0.1)
    with pytest.raises(ecf8.InvalidArgumentError):
        ecf8.connect("nonsense")


def test_preload(daemon: OwnDaemon) -> None:
    client = daemon.connect()
    report = client.preload(daemon.model, ["layers.0"], progress=True)
    assert (report.units, report.units_done, report.units_not_kept) == (1, 1, 0)
    assert report.loaded_bytes == report.size_bytes > 3_000_000
    assert client.status().slots.units == 1
    assert client.preload(daemon.model, ["layers.0"], progress=False).loaded_bytes == 0
    assert client.preload(daemon.model, tier="host").units_not_kept == 0
    with pytest.raises(ValueError, match="tier"):
        client.preload(daemon.model, tier="tape")  # type: ignore[arg-type]


def test_an_exception_of_the_progress_ends_the_preload(daemon: OwnDaemon) -> None:
    client = daemon.connect()

    def fail(report: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        client._client.preload(daemon.model, [], "slots", False, fail, 0)
    assert client.models()


@pytest.mark.parametrize("framework", ["np", "pt"])
def test_leased_tensors_are_the_originals_in_place(
    daemon: OwnDaemon, small_tensors: dict[str, Array], framework: str
) -> None:
    client = daemon.connect()
    seen: dict[str, bytes] = {}
    with client.session(daemon.model, framework=framework) as session:  # type: ignore[arg-type]
        for unit in session.units:
            with session.acquire([unit.id]) as lease, session.acquire([unit.index]) as again:
                assert [u.id for u in lease.units()] == [unit.id]
                for name, tensor in lease.items():
                    kept = lease.tensor(name, copy=True)
                    if framework == "np":
                        assert tensor.dtype == small_tensors[name].dtype
                        assert not tensor.flags.writeable and kept.flags.writeable
                        raw, one, other = tensor.tobytes(), tensor.ctypes, again[name].ctypes
                        if raw:
                            assert one.data == other.data  # one copy in the daemon's memory
                        assert kept.tobytes() == raw
                    else:
                        raw = bytes(tensor.reshape(-1).view(torch.uint8).tolist())
                        if raw:
                            assert tensor.data_ptr() == again[name].data_ptr() != kept.data_ptr()
                        assert same(kept, tensor)
                    assert tuple(tensor.shape) == small_tensors[name].shape
                    assert lease.row_offset(name) == 0
                    seen[name] = raw
                lease.check()
    assert seen.keys() == small_tensors.keys()
    for name, array in small_tensors.items():
        assert seen[name] == array.tobytes(), name


def test_a_lease_ends_with_its_block(daemon: OwnDaemon) -> None:
    client = daemon.connect()
    with client.session(daemon.model, walk=["layers.0", "layers.1"], depth=1) as session:
        assert session.slot_bytes > 0
        with session.acquire(["layers.0"]) as lease:
            tensor = lease[UP]
            assert UP in lease and "none" not in lease
            with pytest.raises(KeyError):
                lease["none"]
        assert not lease.leased
        for use in (lambda: lease[UP], lease.units, lease.check, lambda: list(lease)):
            with pytest.raises(ecf8.FailedPreconditionError, match="ended"):
                use()
        lease.release()  # nothing more
        tensor.view(torch.uint8).sum()  # still mapped
    tensor.view(torch.uint8).sum()
    with pytest.raises(ecf8.FailedPreconditionError, match="closed"):
        session.acquire(["layers.0"])
    wait_for(lambda: client.status().granted_slot_bytes == 0)


def test_an_unnamed_lease_lasts_as_long_as_its_tensors(daemon: OwnDaemon) -> None:
    client = daemon.connect()
    with client.session(daemon.model, slot_bytes=4 << 20, framework="np") as session:
        tensor = session.acquire(["layers.0"])[UP]
        part = tensor[5]
        del tensor
        with pytest.raises(ecf8.DeadlineExceededError):
            session.acquire(["layers.1"], timeout=0.3)
        del part
        with session.acquire(["layers.1"], timeout=60):
            pass


def test_sets_that_can_never_fit_say_so(daemon: OwnDaemon) -> None:
    with daemon.connect().session(daemon.model, slot_bytes=2 << 20) as session:
        with pytest.raises(ecf8.ResourceExhaustedError) as caught:
            session.acquire(["layers.0"])
        assert caught.value.shortfall_bytes == 2 << 20
        with pytest.raises(ecf8.NotFoundError):
            session.acquire(["layers.99"])


def test_a_resident_model_outlives_its_clients(
    daemon: OwnDaemon, small_tensors: dict[str, Array]
) -> None:
    def read_all() -> None:
        with daemon.connect().session(daemon.model, resident=True, framework="np") as session:
            assert session.slot_bytes == 0
            with session.acquire([unit.index for unit in session.units]) as weights:
                assert set(weights) == set(small_tensors)
                for name, tensor in weights.items():
                    assert tensor.tobytes() == small_tensors[name].tobytes(), name

    read_all()
    before = daemon.connect().status()
    read_all()
    after = daemon.connect().status()
    assert (after.read_bytes, after.decoded_bytes) == (before.read_bytes, before.decoded_bytes)


def test_closing_ends_calls_that_wait(daemon: OwnDaemon) -> None:
    session = daemon.connect().session(daemon.model, slot_bytes=4 << 20)
    held = session.acquire(["layers.0"])
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            session.acquire(["layers.1"])
        except ecf8.Error as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.05)  # if it has not begun to wait, it finds the session closed
    session.close()
    thread.join(60)
    assert not thread.is_alive() and len(errors) == 1
    assert held.leased


def test_a_daemon_that_dies_and_comes_back(daemon: OwnDaemon) -> None:
    client = ecf8.connect(daemon.address, retry_for=0)
    with client.session(daemon.model) as session:
        lease = session.acquire(["layers.0"])
        daemon.kill()
        with pytest.raises(ecf8.UnavailableError):
            session.acquire(["layers.1"])
        with pytest.raises(ecf8.UnavailableError):
            session.check()
        lease[UP].view(torch.uint8).sum()
        daemon.start()
        session.reopen(timeout=60)
        with session.acquire(["layers.1"]) as again:
            assert len(again) > 0
        with pytest.raises(ecf8.UnavailableError):
            lease.release()


CRASH = """
import resource, sys
import ecf8
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
address, model, what = sys.argv[1:]
with ecf8.connect(address).session(model, debug=True) as session:
    with session.acquire(["layers.0"]) as lease, session.acquire(["layers.0"]) as other:
        tensor = lease["model.layers.0.up.weight"].view(__import__("torch").uint8)
        total = tensor.sum()
        if what == "write":
            tensor[0, 0] = 1
        lease.release()
        assert tensor.sum() == total  # the other one has it still
    with session.acquire(["layers.1"]), session.acquire(["layers.0"]) as again:
        assert again["model.layers.0.up.weight"].view(__import__("torch").uint8).sum() == total
    print("here", flush=True)
    if what == "read":
        tensor.sum()
"""


@pytest.mark.parametrize(("what", "said"), [("write", ""), ("read", "here\n")])
def test_writes_crash_and_in_debug_mode_late_reads(daemon: OwnDaemon, what: str, said: str) -> None:
    command = [sys.executable, "-c", CRASH, daemon.address, daemon.model]
    ended = subprocess.run([*command, what], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (-signal.SIGSEGV, said), ended.stderr
    ended = subprocess.run([*command, "nothing"], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "here\n"), ended.stderr


def test_interrupts_end_a_wait(daemon: OwnDaemon) -> None:
    class Ticked(Exception):
        pass

    def tick(*_: object) -> None:
        raise Ticked

    with daemon.connect().session(daemon.model, slot_bytes=4 << 20) as session:
        held = session.acquire(["layers.0"])
        before = signal.signal(signal.SIGALRM, tick)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            with pytest.raises(Ticked):
                session.acquire(["layers.1"], timeout=60)
        finally:
            signal.signal(signal.SIGALRM, before)
        held.release()
        with session.acquire(["layers.1"], timeout=60) as lease:
            assert np.prod(lease["model.layers.1.e5m2"].shape) == 90000
