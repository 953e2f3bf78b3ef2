"""A model directory is there completely or not at all."""

import context  # noqa: F401

# isort: split

import tempfile
import unittest
from pathlib import Path

from model_dir import FetchError, building, is_complete


class BuildingTest(unittest.TestCase):
    def setUp(self) -> None:
        parent = tempfile.TemporaryDirectory()
        self.addCleanup(parent.cleanup)
        self.parent = Path(parent.name)
        self.place = self.parent / "model"

    def _build(self) -> None:
        with building(self.place, {"model": "m"}) as partial:
            (partial / "config.json").write_text("{}")
            self.assertFalse((self.place / "config.json").exists())

    def test_a_built_directory_is_complete_and_has_only_its_own_files(self) -> None:
        self.assertFalse(is_complete(self.place, {"model": "m"}))
        self._build()
        self.assertTrue(is_complete(self.place, {"model": "m"}))
        self.assertEqual([path.name for path in self.place.iterdir()], ["config.json"])

    def test_an_empty_directory_is_filled(self) -> None:
        self.place.mkdir()
        self._build()
        self.assertTrue(is_complete(self.place, {"model": "m"}))

    def test_a_failure_leaves_nothing(self) -> None:
        with self.assertRaises(KeyboardInterrupt), building(self.place, {}) as partial:
            (partial / "half").touch()
            raise KeyboardInterrupt
        self.assertEqual(list(self.parent.iterdir()), [])

    def test_what_killed_runs_left_is_removed(self) -> None:
        (self.parent / ".model.partial-999999999").mkdir()
        self._build()
        self.assertEqual(list(self.parent.glob("*partial*")), [])

    def test_another_model_is_not_touched(self) -> None:
        self._build()
        with self.assertRaisesRegex(FetchError, "remove it or name another directory"):
            is_complete(self.place, {"model": "other"})
        strange = self.parent / "strange"
        strange.mkdir()
        (strange / "file").touch()
        with self.assertRaisesRegex(FetchError, "did not make"):
            is_complete(strange, {"model": "m"})


if __name__ == "__main__":
    unittest.main()
