"""A slice of a model has the tensors asked for, byte for byte, and nothing else."""

import context  # noqa: F401

# isort: split

import re
import tempfile
import unittest
from pathlib import Path

import numpy as np

from safetensors_reader import read_file
from safetensors_writer import from_array, write_file
from slice_model import main, slice_model


class SliceTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.parent = Path(directory.name)
        self.source = self.parent / "source"
        self.source.mkdir()
        (self.source / "config.json").write_text("{}", encoding="utf-8")
        self.arrays = {
            f"layers.{i}.{name}": np.arange(6, dtype=np.float32).reshape(2, 3) + i
            for i in range(3)
            for name in ("weight", "weight_scale")
        }
        for i, names in enumerate(([0, 1, 2], [3, 4, 5])):
            tensors = [from_array(*list(self.arrays.items())[n]) for n in names]
            write_file(self.source / f"model-{i}.safetensors", tensors)

    def test_takes_tensors_of_all_shards_as_they_are(self) -> None:
        count = slice_model(self.source, self.parent / "slice", re.compile(r"layers\.[12]\.weight"))
        self.assertEqual(count, 2)
        read = read_file(self.parent / "slice" / "model.safetensors")
        self.assertEqual(sorted(read), ["layers.1.weight", "layers.2.weight"])
        for name, array in read.items():
            np.testing.assert_array_equal(array, self.arrays[name])
        self.assertTrue((self.parent / "slice" / "config.json").exists())

    def test_nothing_to_take_is_an_error(self) -> None:
        self.assertEqual(main([str(self.source), str(self.parent / "slice"), "layers"]), 1)
        self.assertFalse((self.parent / "slice").exists())


if __name__ == "__main__":
    unittest.main()
