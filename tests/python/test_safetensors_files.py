"""Our safetensors writer and reader, against the stock library."""

import context  # noqa: F401

# isort: split

import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

import awkward
from safetensors_reader import read_file
from safetensors_writer import (
    NUMPY_DTYPES,
    Array,
    Tensor,
    TensorSpec,
    from_array,
    stock_order,
    write_file,
)


class WriterTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "x.safetensors"

    def test_is_byte_for_byte_what_the_stock_library_writes(self) -> None:
        arrays: dict[str, Array] = {
            "b.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
            "a.weight": np.arange(4, dtype=np.float32),
            "ids": np.arange(5, dtype=np.int64),
            "half": np.ones((3, 0), np.float16),
            "mask": np.array([True, False, True]),
        }
        write_file(self.path, stock_order(from_array(n, a) for n, a in arrays.items()), {"k": "v"})
        self.assertEqual(self.path.read_bytes(), safetensors.numpy.save(arrays, {"k": "v"}))

    def test_every_dtype_has_the_size_that_the_stock_library_expects(self) -> None:
        tensors = [from_array(kind, np.ones((3, 5), d)) for kind, d in NUMPY_DTYPES.items()]
        write_file(self.path, stock_order(tensors), None, extra_padding=11)
        with safetensors.safe_open(self.path, "numpy") as file:
            for kind in NUMPY_DTYPES:
                self.assertEqual(file.get_slice(kind).get_dtype(), kind)
                self.assertEqual(file.get_slice(kind).get_shape(), [3, 5])
        for name, array in read_file(self.path).items():
            self.assertEqual(array.dtype, NUMPY_DTYPES[name])
            self.assertTrue((array == np.ones((), array.dtype)).all())

    def test_pieces_must_make_the_tensor(self) -> None:
        short = Tensor(TensorSpec("t", "U8", (5,)), lambda: [b"abc"])
        with self.assertRaisesRegex(ValueError, "'t' has 3 bytes, not 5"):
            write_file(self.path, [short])

    def test_a_name_is_given_once(self) -> None:
        twice = from_array("t", np.zeros(1))
        with self.assertRaisesRegex(ValueError, "twice"):
            write_file(self.path, [twice, twice])


class AwkwardTest(unittest.TestCase):
    def test_is_legal_complete_and_the_same_each_time(self) -> None:
        with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
            awkward.build(Path(first), 1)
            awkward.build(Path(second), 1)
            files = sorted(p.relative_to(first) for p in Path(first).rglob("*") if p.is_file())
            self.assertEqual(
                files, sorted(p.relative_to(second) for p in Path(second).rglob("*") if p.is_file())
            )
            for name in files:
                one, other = (Path(first) / name).read_bytes(), (Path(second) / name).read_bytes()
                self.assertTrue(one == other, name)
            index = json.loads((Path(first) / "model.safetensors.index.json").read_bytes())
            names: dict[str, str] = {}
            for shard in sorted(set(index["weight_map"].values())):
                with safetensors.safe_open(Path(first) / shard, "numpy") as file:
                    names |= dict.fromkeys(file.keys(), shard)
            self.assertEqual(names, index["weight_map"])
            tensors = read_file(Path(first) / "model-00001-of-00002.safetensors")
            values = tensors["e4m3.all_256_values"].view(np.uint8)
            self.assertEqual(len(set(values.tolist())), 256)
            self.assertTrue(np.isnan(tensors["e5m2.both_nans"].astype(np.float32)).all())
            for size in awkward.SIZES:
                self.assertEqual(tensors[f"e4m3.size_{size}"].shape, (size,))


if __name__ == "__main__":
    unittest.main()
