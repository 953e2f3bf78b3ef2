"""From GGUF to Hugging Face: names, the un-permutation of q and k, and that the model speaks."""

import context

# isort: split

import json
import unittest

import numpy as np

from gguf_llama import hugging_face_name, permute_rope, unpermute_rope
from llama_reference import log_probabilities
from recipes import F32Array, block_dequantize
from safetensors_reader import read_file

_MODEL = context.ROOT / "build" / "models" / "smollm2-block"
# "The capital of France is Paris. The Eiffel Tower, which was built in 1889 for the World's Fair,
# is one of the most famous landmarks in the city."
_TEXT = [504, 3575, 282, 4649, 314, 7042, 30, 378, 414, 46682, 18669, 28, 527, 436, 2837, 281]
_TEXT += [216, 33, 40, 40, 41, 327, 260, 2260, 506, 11285, 28, 314, 582, 282, 260, 768, 4248]
_TEXT += [22387, 281, 260, 2240, 30]


class PermutationTest(unittest.TestCase):
    def test_unpermute_undoes_permute(self) -> None:
        weight = np.arange(3 * 8 * 5, dtype=np.float32).reshape(24, 5)
        self.assertFalse((permute_rope(weight, 3) == weight).all())
        np.testing.assert_array_equal(unpermute_rope(permute_rope(weight, 3), 3), weight)

    def test_neighbours_in_gguf_are_half_a_head_apart_in_hugging_face(self) -> None:
        rows = np.arange(8, dtype=np.float32).reshape(8, 1)  # two heads of four rows
        self.assertEqual(permute_rope(rows, 2).ravel().tolist(), [0, 2, 1, 3, 4, 6, 5, 7])
        self.assertEqual(unpermute_rope(rows, 2).ravel().tolist(), [0, 2, 1, 3, 4, 6, 5, 7])
        eight = np.arange(8, dtype=np.float32).reshape(8, 1)  # one head of eight rows
        self.assertEqual(unpermute_rope(eight, 1).ravel().tolist(), [0, 2, 4, 6, 1, 3, 5, 7])

    def test_names(self) -> None:
        self.assertEqual(
            hugging_face_name("blk.12.attn_q.weight"), "model.layers.12.self_attn.q_proj.weight"
        )
        self.assertEqual(hugging_face_name("token_embd.weight"), "model.embed_tokens.weight")
        with self.assertRaises(KeyError):
            hugging_face_name("rope_freqs.weight")


@unittest.skipUnless(_MODEL.is_dir(), "needs tools/fetch_model smollm2 build/models/smollm2-block")
class SmolLm2Test(unittest.TestCase):
    def _nats_per_token(self, weights: dict[str, F32Array]) -> float:
        config = json.loads((_MODEL / "config.json").read_bytes())
        logs = log_probabilities(config, weights, _TEXT)
        return float(-logs[np.arange(len(_TEXT) - 1), _TEXT[1:]].mean())

    def test_predicts_english_and_only_with_q_and_k_unpermuted(self) -> None:
        tensors = read_file(_MODEL / "model.safetensors")
        weights = {}
        for name, array in tensors.items():
            if (scale_inv := tensors.get(name + "_scale_inv")) is not None:
                weights[name] = block_dequantize(array, scale_inv)
            elif not name.endswith("_scale_inv"):
                weights[name] = array.astype(np.float32)
        self.assertLess(self._nats_per_token(weights), 1.5)  # 1.37 when this was written
        for name, array in weights.items():
            if "q_proj" in name or "k_proj" in name:
                weights[name] = permute_rope(array, array.shape[0] // 64)
        self.assertGreater(self._nats_per_token(weights), 2)  # 2.58


if __name__ == "__main__":
    unittest.main()
