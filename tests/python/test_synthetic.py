"""Synthetic models: sizes, shapes, shards, and the same bytes for the same seed."""

import context  # noqa: F401

# isort: split

import hashlib
import json
import tempfile
import unittest
from pathlib import Path

import ml_dtypes
import numpy as np
import safetensors

import model_shapes
import model_sizing
import synthetic
from model_dir import FetchError
from safetensors_writer import from_array, write_file


def _make_source(directory: Path) -> None:
    """A small stand-in for smollm2-block, with a pool of each role."""
    random = np.random.Generator(np.random.PCG64(5))
    e4m3, bf16 = ml_dtypes.float8_e4m3fn, ml_dtypes.bfloat16
    arrays = {
        "model.layers.0.self_attn.q_proj.weight": np.full((200, 100), 1).astype(e4m3),
        "model.layers.0.self_attn.q_proj.weight_scale_inv": np.full((2, 1), 0.5, np.float32),
        "model.layers.0.mlp.up_proj.weight": random.standard_normal((300, 100)).astype(e4m3),
        "model.embed_tokens.weight": random.standard_normal((100, 100)).astype(bf16),
        "model.norm.weight": random.standard_normal(100).astype(bf16),
    }
    write_file(directory / "model.safetensors", [from_array(n, a) for n, a in arrays.items()])


class SizingTest(unittest.TestCase):
    def test_models_fill_the_size_and_do_not_exceed_it(self) -> None:
        for size in (10**8, 2 * 10**9, 16 * 10**9):
            llama = model_shapes.llama(model_sizing.llama_config(size))
            moe = model_shapes.deepseek_v3(model_sizing.deepseek_config(size, None, None, None))
            for total in (model_sizing.total_bytes(llama), model_sizing.total_bytes(moe)):
                self.assertLessEqual(total, size)
                self.assertGreater(total, 0.9 * size)

    def test_keeps_the_layers_and_experts_asked_for(self) -> None:
        config = model_sizing.deepseek_config(3 * 10**9, 5, 24, None)
        self.assertEqual((config["num_hidden_layers"], config["n_routed_experts"]), (5, 24))
        real = model_sizing.deepseek_config(3 * 10**9, 3, 16, 7168)
        self.assertEqual(real["moe_intermediate_size"], 2048)
        with self.assertRaises(FetchError):
            model_sizing.deepseek_config(10**8, 61, 256, 7168)

    def test_sizes(self) -> None:
        for text, size in (
            ("2GB", 2 * 10**9),
            ("1.5g", 1.5 * 10**9),
            ("512MiB", 2**29),
            ("7", 7),
            ("3kib", 3072),
        ):
            self.assertEqual(synthetic.parse_size(text), size)
        for text in ("", "GB", "2XB", "-1GB", "2iB"):
            with self.assertRaises(ValueError, msg=text):
                synthetic.parse_size(text)

    def test_full_size_has_the_shapes_of_deepseek_v3(self) -> None:
        config = model_sizing.deepseek_config(690 * 10**9, 61, 256, 7168)
        v3 = {"intermediate_size": 18432, "q_lora_rank": 1536, "kv_lora_rank": 512}
        v3 |= {"num_attention_heads": 128, "vocab_size": 129280, "first_k_dense_replace": 3}
        self.assertEqual({key: config[key] for key in v3}, v3)


class BuildTest(unittest.TestCase):
    def _digests(self, seed: int, shard_size: int) -> dict[str, str]:
        """SHA-256 of each tensor of a small model with experts."""
        config = model_sizing.deepseek_config(40_000_000, 2, 4, 512)
        with tempfile.TemporaryDirectory() as source, tempfile.TemporaryDirectory() as target:
            _make_source(Path(source))
            synthetic.build(Path(target), config, Path(source), shard_size, seed)
            digests = {}
            for path in Path(target).glob("*.safetensors"):
                data = path.read_bytes()
                start = 8 + int.from_bytes(data[:8], "little")
                header = json.loads(data[8:start])
                header.pop("__metadata__")
                for name, entry in header.items():
                    begin, end = (start + offset for offset in entry["data_offsets"])
                    digests[name] = hashlib.sha256(data[begin:end]).hexdigest()
                with safetensors.safe_open(path, "numpy") as file:
                    self.assertEqual(set(file.keys()), set(header))
            index = Path(target) / "model.safetensors.index.json"
            if index.exists():
                self.assertEqual(set(json.loads(index.read_bytes())["weight_map"]), set(digests))
        return digests

    def test_same_seed_same_bytes_however_it_is_sharded(self) -> None:
        first = self._digests(seed=1, shard_size=10**9)
        self.assertEqual(first, self._digests(seed=1, shard_size=9_000_000))
        other = self._digests(seed=2, shard_size=10**9)
        self.assertEqual(first.keys(), other.keys())
        expert = "model.layers.1.mlp.experts.3.down_proj.weight"
        self.assertNotEqual(first[expert], other[expert])
        self.assertNotEqual(first[expert], first[expert.replace("experts.3", "experts.2")])

    def test_a_weight_and_its_scales_share_a_shard(self) -> None:
        config = model_sizing.deepseek_config(40_000_000, 2, 4, 512)
        for shard in synthetic.split_shards(model_shapes.deepseek_v3(config), 1_000_000):
            names = {spec.name for spec, _ in shard}
            for name in names:
                if name.endswith("_scale_inv"):
                    self.assertIn(name.removesuffix("_scale_inv"), names)


if __name__ == "__main__":
    unittest.main()
