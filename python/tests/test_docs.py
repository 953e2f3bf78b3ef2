"""The examples of docs/PYTHON.md, run in order."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

import ecf8
from conftest import MODELS, ROOT
from daemon import OwnDaemon


def test_the_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "PYTHON.md").read_text()
    examples = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(examples) == 4
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "MODEL").symlink_to(MODELS / "smollm2-block")
    ecf8.compress(MODELS / "smollm2-block", tmp_path / "MODEL-ecf8")
    monkeypatch.chdir(tmp_path / "here")
    with tempfile.TemporaryDirectory(prefix="ecf8-") as place:
        own = OwnDaemon(Path(place), tmp_path / "MODEL-ecf8")
        monkeypatch.setenv("ECF8_DAEMON", own.address)
        names: dict[str, object] = {}
        try:
            for example in examples:
                exec(compile(example, "docs/PYTHON.md", "exec"), names)
        finally:
            own.stop()
    assert "MODEL-ecf8" in capsys.readouterr().out
    assert getattr(names["rows"], "shape", None) == (256, 576)
