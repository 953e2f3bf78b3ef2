"""FP8 matrices to BF16 and F32: the native way and PyTorch's own."""

from __future__ import annotations

import pytest
import torch

from ecf8.torch._dequantize import BlockScales, block_of


def test_blocks() -> None:
    assert block_of((256, 384), (2, 3), (128, 128)) == (128, 128)
    assert block_of((192, 576), (2, 5), (128, 128)) == (128, 128)
    assert block_of((192, 64), (192, 1), (128, 128)) == (1, 64)
    assert block_of((192, 64), (6, 2), (128, 128)) == (32, 32)
    assert block_of((192, 64), (5, 1), (128, 128)) is None


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
@pytest.mark.parametrize("out_dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    ("shape", "block"),
    [
        ((256, 384), (128, 128)),
        ((192, 576), (128, 128)),
        ((1, 1), (128, 128)),
        ((130, 33), (1, 33)),
        ((64, 70), (64, 70)),
        ((3000, 1500), (128, 128)),
    ],
)
def test_values(
    dtype: torch.dtype,
    out_dtype: torch.dtype,
    shape: tuple[int, int],
    block: tuple[int, int],
) -> None:
    torch.manual_seed(3)
    weights = torch.randint(0, 256, shape, dtype=torch.uint8)
    finite = weights.view(dtype).float().isfinite()
    weights = torch.where(finite, weights, torch.zeros_like(weights)).view(dtype)
    grid = [-(-size // step) for size, step in zip(shape, block, strict=True)]
    scales = torch.rand(grid) * 0.01
    spread = scales.repeat_interleave(block[0], 0).repeat_interleave(block[1], 1)
    wanted = (weights.float() * spread[: shape[0], : shape[1]]).to(out_dtype)
    of = BlockScales(dtype, shape, scales, block)
    out = torch.full(shape, 7, dtype=out_dtype)
    of.dequantize(weights, out)
    assert out.view(torch.uint8).equal(wanted.view(torch.uint8))
    of._native = None  # as where the scales are on another device
    again = torch.full(shape, 7, dtype=out_dtype)
    of.dequantize(weights, again)
    assert again.view(torch.uint8).equal(wanted.view(torch.uint8))


def test_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="one a block"):
        BlockScales(torch.float8_e4m3fn, (256, 256), torch.ones(2, 1), (128, 128))
    with pytest.raises(ValueError, match="no elements"):
        BlockScales(torch.float8_e4m3fn, (256, 256), torch.ones(2, 1), (0, 128))
    of = BlockScales(torch.float8_e4m3fn, (8, 8), torch.ones(1, 1), (128, 128))
    with pytest.raises(ValueError, match="fit"):
        of.dequantize(torch.zeros(8, 9).to(torch.float8_e4m3fn), torch.empty(8, 8))
    with pytest.raises(ValueError, match="fit"):
        of.dequantize(torch.zeros(8, 8).to(torch.float8_e4m3fn), torch.empty(8, 9))
    with pytest.raises(ValueError, match="fit"):
        of.dequantize(torch.zeros(8, 16).to(torch.float8_e4m3fn)[:, ::2], torch.empty(8, 8))
    halves = torch.empty(8, 8, dtype=torch.float16)
    of.dequantize(torch.ones(8, 8).to(torch.float8_e4m3fn), halves)
    assert halves.eq(1).all()
