"""Experts of a layer, of which those come that the router has chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecf8.torch._feed import Feed, refuse_training
from ecf8.torch._linear import StreamedMatrix


class ExpertMatrices(NamedTuple):
    """An expert's weights: [width, hidden], the same, and [hidden, width]."""

    gate: StreamedMatrix
    up: StreamedMatrix
    down: StreamedMatrix


class StreamedExperts(nn.Module):
    """The experts' module of transformers, whose weights are `gate_up_proj` [experts, 2 * width,
    hidden] and `down_proj` [experts, hidden, width], one expert at a time.

    What comes out is, bit for bit, what that module computes with `experts_implementation="eager"`,
    and on the CPU with "grouped_mm", where the model was made with that; on a GPU that is one
    kernel for all experts, which rounds as it likes.
    """

    def __init__(
        self,
        replaced: nn.Module,
        matrices: list[ExpertMatrices],
        shapes: tuple[int, int],
        feed: Feed,
        groups: list[int],
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.num_experts = len(matrices)
        self._width, self._hidden = shapes
        self._matrices = matrices
        self._feed = feed
        self._groups = groups
        self._dtype = dtype
        self._config = getattr(replaced, "config", None)
        self._apply_gate = _gate_of(replaced)
        self.training = replaced.training

    def forward(self, hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
        refuse_training(hidden_states, top_k_weights)
        chosen = [e for e in torch.unique(top_k_index).tolist() if 0 <= e < self.num_experts]
        self._feed.hint([self._groups[e] for e in chosen])
        if getattr(self._config, "_experts_implementation", "eager") == "eager":
            return self._one_by_one(chosen, hidden_states, top_k_index, top_k_weights)
        return self._sorted(chosen, hidden_states, top_k_index, top_k_weights)

    def _one_by_one(
        self, chosen: list[int], hidden_states: Tensor, index: Tensor, weights: Tensor
    ) -> Tensor:
        """Adds up in the order of the experts."""
        result = torch.zeros_like(hidden_states)
        for expert in chosen:
            place, token = torch.where(index.T.eq(expert))
            output = self._run(expert, hidden_states[token])
            output = output * weights[token, place, None]
            result.index_add_(0, token, output.to(result.dtype))
        return result

    def _sorted(
        self, chosen: list[int], hidden_states: Tensor, index: Tensor, weights: Tensor
    ) -> Tensor:
        """Adds up in the order of each token's choices."""
        tokens, choices = index.shape
        experts, order = torch.sort(index.reshape(-1))
        states = hidden_states[order // choices]
        outputs = torch.zeros_like(states)
        bounds = torch.searchsorted(
            experts, torch.tensor([[e, e + 1] for e in chosen], device=experts.device)
        )
        for expert, (begin, end) in zip(chosen, bounds.tolist(), strict=True):
            outputs[begin:end] = self._run(expert, states[begin:end])
        weighted = outputs * weights.reshape(-1)[order].unsqueeze(-1)
        back = torch.empty_like(order)
        back[order] = torch.arange(order.numel(), device=order.device)
        return weighted[back].view(tokens, choices, -1).sum(dim=1).to(hidden_states.dtype)

    def _run(self, expert: int, states: Tensor) -> Tensor:
        gate, up, down = self._matrices[expert]
        with self._feed.lent(self._groups[expert]) as tensors:
            scratch, device = self._feed.scratch, states.device
            both = scratch.take((2 * self._width, self._hidden), self._dtype, device)
            gate.into(tensors[gate.name], both[: self._width])
            up.into(tensors[up.name], both[self._width :])
            gated = self._apply_gate(functional.linear(states, both))
            values = scratch.take((self._hidden, self._width), self._dtype, device)
            down.into(tensors[down.name], values)
            return functional.linear(gated, values)


def _gate_of(replaced: nn.Module) -> Callable[[Tensor], Tensor]:
    """From [tokens, 2 * width] to [tokens, width]."""
    own: Callable[[Tensor], Tensor] | None = getattr(replaced, "_apply_gate", None)
    if own is not None:
        return own
    activation: Callable[[Tensor], Tensor] = replaced.act_fn  # type: ignore[assignment]

    def gate(both: Tensor) -> Tensor:
        first, second = both.chunk(2, dim=-1)
        return activation(first) * second

    return gate


def expert_names(path: str, expert: int) -> Mapping[str, str]:
    """Of an expert's weights in a checkpoint, where the experts' module is at `path`."""
    return {kind: f"{path}.{expert}.{kind}_proj.weight" for kind in ("gate", "up", "down")}
