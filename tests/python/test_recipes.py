"""The recipes: block scales, saturation, rounding, error bounds."""

import context  # noqa: F401

# isort: split

import unittest

import ml_dtypes
import numpy as np

import recipes


class BlockTest(unittest.TestCase):
    def setUp(self) -> None:
        self.random = np.random.Generator(np.random.PCG64(7))

    def test_ragged_shapes_have_a_scale_for_every_started_block(self) -> None:
        for shape, blocks in (
            ((1, 1), (1, 1)),
            ((128, 128), (1, 1)),
            ((129, 127), (2, 1)),
            ((300, 513), (3, 5)),
        ):
            weight = self.random.standard_normal(shape).astype(np.float32)
            quantized, scale_inv = recipes.block_quantize(weight)
            self.assertEqual(quantized.shape, shape)
            self.assertEqual(scale_inv.shape, blocks)
            self.assertEqual(quantized.dtype, ml_dtypes.float8_e4m3fn)
            self.assertEqual(scale_inv.dtype, np.float32)

    def test_scale_is_the_blocks_largest_magnitude_over_448(self) -> None:
        weight = self.random.standard_normal((200, 300)).astype(np.float32)
        quantized, scale_inv = recipes.block_quantize(weight)
        for i in range(2):
            for j in range(3):
                place = np.s_[128 * i : 128 * (i + 1), 128 * j : 128 * (j + 1)]
                amax = np.abs(weight[place]).max()
                self.assertEqual(scale_inv[i, j], amax / np.float32(448))
                self.assertEqual(np.abs(quantized[place].astype(np.float32)).max(), 448)

    def test_zero_and_tiny_blocks_have_scale_one(self) -> None:
        weight = np.zeros((256, 128), np.float32)
        weight[0, 0] = 1e-40
        weight[128:] = 3
        quantized, scale_inv = recipes.block_quantize(weight)
        self.assertEqual(scale_inv[0, 0], 1)
        self.assertFalse(quantized[:128].view(np.uint8).any())
        np.testing.assert_array_equal(recipes.block_dequantize(quantized, scale_inv)[128:], 3)

    def test_dequantized_error_is_at_most_half_a_step(self) -> None:
        weight = (self.random.standard_normal((257, 400)) * 0.02).astype(np.float32)
        quantized, scale_inv = recipes.block_quantize(weight)
        error = np.abs(recipes.block_dequantize(quantized, scale_inv) - weight)
        # 3 bits of mantissa: half a step is 2^-4 of the value; below 2^-6 a step is 2^-9.
        bound = np.maximum(np.abs(weight) * 2**-4, scale_inv.max() * 2**-10)
        self.assertTrue((error <= bound * 1.00001).all())


class CastTest(unittest.TestCase):
    def test_saturates_and_rounds_to_even(self) -> None:
        values = np.array([1e9, -1e9, 449, 17, 19, np.nan, -0.0, 2**-10, 3 * 2**-10], np.float32)
        cast = recipes.to_e4m3(values)
        expected = np.array([448, -448, 448, 16, 20, np.nan, -0.0, 0, 2**-8], np.float32)
        np.testing.assert_array_equal(cast.astype(np.float32), expected)
        self.assertEqual(cast.view(np.uint8)[6], 0x80)

    def test_agrees_with_an_exhaustive_search(self) -> None:
        table = np.arange(0x7F, dtype=np.uint8).view(ml_dtypes.float8_e4m3fn).astype(np.float32)
        random = np.random.Generator(np.random.PCG64(3))
        values = np.exp2(random.uniform(-12, 9, 2000)).astype(np.float32)
        nearest = np.abs(table[None, :] - np.minimum(values, 448)[:, None]).argmin(axis=1)
        np.testing.assert_array_equal(recipes.to_e4m3(values).view(np.uint8), nearest)

    def test_e5m2_saturates_and_rounds_to_even(self) -> None:
        values = np.array([1e9, -1e9, 57345, 9, 11, np.nan, -0.0, 2**-17, 3 * 2**-17], np.float32)
        cast = recipes.to_e5m2(values)
        expected = np.array([57344, -57344, 57344, 8, 12, np.nan, -0.0, 0, 2**-15], np.float32)
        np.testing.assert_array_equal(cast.astype(np.float32), expected)
        self.assertEqual(cast.dtype, ml_dtypes.float8_e5m2)


class TensorTest(unittest.TestCase):
    def test_scale_is_the_largest_magnitude_over_448(self) -> None:
        weight = np.random.Generator(np.random.PCG64(5)).standard_normal((70, 9)).astype(np.float32)
        quantized, scale = recipes.tensor_quantize(weight)
        self.assertEqual(scale.shape, (1,))
        self.assertEqual(scale[0], np.abs(weight).max() / np.float32(448))
        self.assertEqual(np.abs(quantized.astype(np.float32)).max(), 448)
        error = np.abs(quantized.astype(np.float32) * scale - weight)
        bound = np.maximum(np.abs(weight) * 2**-4, scale * 2**-10)
        self.assertTrue((error <= bound * 1.00001).all())

    def test_zero_has_scale_one(self) -> None:
        for shape in ((3, 3), (0, 4)):
            quantized, scale = recipes.tensor_quantize(np.zeros(shape, np.float32))
            self.assertEqual(scale[0], 1)
            self.assertEqual(quantized.shape, shape)
            self.assertFalse(quantized.view(np.uint8).any())


class ApplyTest(unittest.TestCase):
    def test_only_projections_become_fp8(self) -> None:
        weights = {
            "a.proj": np.ones((130, 2), np.float32),
            "norm": np.ones((4,), np.float32),
            "ids": np.arange(3),
        }
        for recipe, names in (
            ("block", ["a.proj", "a.proj_scale_inv", "norm", "ids"]),
            ("tensor", ["a.proj", "a.proj_scale", "norm", "ids"]),
            ("cast", ["a.proj", "norm", "ids"]),
            ("e5m2", ["a.proj", "norm", "ids"]),
        ):
            made = dict(recipes.apply(recipe, weights.items(), lambda name: name == "a.proj"))  # type: ignore[arg-type]
            self.assertEqual(list(made), names)
            fp8 = ml_dtypes.float8_e5m2 if recipe == "e5m2" else ml_dtypes.float8_e4m3fn
            self.assertEqual(made["a.proj"].dtype, fp8)
            self.assertEqual(made["norm"].dtype, ml_dtypes.bfloat16)
            self.assertEqual(made["ids"].dtype, np.int64)

    def test_the_original_stays_as_it_is(self) -> None:
        weights = {"a.proj": np.ones((3, 2), np.float32), "ids": np.arange(3)}
        made = dict(recipes.apply("original", weights.items(), lambda name: name == "a.proj"))
        self.assertEqual(list(made), ["a.proj", "ids"])
        for name, array in made.items():
            self.assertIs(array, weights[name])

    def test_config_names_the_quantization_that_has_scales(self) -> None:
        block = recipes.adapt_config("block", {"x": 1})
        self.assertEqual(block["quantization_config"]["weight_block_size"], [128, 128])
        self.assertEqual(block["x"], 1)
        tensor = recipes.adapt_config("tensor", {"x": 1})
        self.assertNotIn("weight_block_size", tensor["quantization_config"])
        for recipe in ("cast", "e5m2"):
            config = recipes.adapt_config(recipe, {"x": 1})  # type: ignore[arg-type]
            self.assertNotIn("quantization_config", config)
            self.assertEqual(config["torch_dtype"], "bfloat16")
        original = recipes.adapt_config("original", {"x": 1})
        self.assertEqual(original, {"x": 1, "torch_dtype": "float32"})


if __name__ == "__main__":
    unittest.main()
