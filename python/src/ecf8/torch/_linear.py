"""Linear layers whose weights come and go."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecf8.torch._dequantize import BlockScales
from ecf8.torch._feed import Feed, refuse_training


class StreamedMatrix:
    """A weight [rows, columns] as the source has it: FP8 with scales, or plain."""

    def __init__(self, name: str, scales: BlockScales | None) -> None:
        self.name = name
        self._scales = scales

    def into(self, stored: Tensor, out: Tensor) -> None:
        """Its values, in the dtype of `out`."""
        if self._scales is None:
            out.copy_(stored)
        else:
            self._scales.dequantize(stored, out)

    def is_plain(self, stored: Tensor, dtype: torch.dtype) -> bool:
        """Whether it can be computed with as it is stored."""
        return self._scales is None and stored.dtype == dtype


class StreamedLinear(nn.Module):
    """A torch.nn.Linear whose weight is there while its group is held. Its bias stays."""

    bias: nn.Parameter | None

    def __init__(
        self,
        replaced: nn.Linear,
        matrix: StreamedMatrix,
        feed: Feed,
        group: int,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.in_features = replaced.in_features
        self.out_features = replaced.out_features
        self.register_parameter("bias", replaced.bias)
        self._matrix = matrix
        self._feed = feed
        self._group = group
        self._dtype = dtype
        self.training = replaced.training

    @property
    def weight(self) -> Tensor:
        """Its values, until another layer's are asked for. RuntimeError while it is not there."""
        stored = self._feed.held(self._group)[self._matrix.name]
        if self._matrix.is_plain(stored, self._dtype):
            return stored
        shape = (self.out_features, self.in_features)
        values = self._feed.scratch.take(shape, self._dtype, stored.device)
        self._matrix.into(stored, values)
        return values

    def forward(self, input: Tensor) -> Tensor:
        refuse_training(input)
        return functional.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, streamed"
