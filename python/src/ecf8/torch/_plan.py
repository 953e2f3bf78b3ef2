"""Which of a model's weights are streamed, and with which others each comes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from ecf8._errors import from_status
from ecf8.torch._experts import expert_names
from ecf8.torch._source import Groups, Stored

_FIRST_NUMBER = re.compile(r"(?:[^.]+\.)*?\d+(?=\.|$)")


@dataclass
class PlannedLinear:
    """A linear layer at `path`, whose weight comes with group `group`."""

    path: str
    weight: str
    group: int


@dataclass
class PlannedExperts:
    """A module of experts at `path`; `weights[e]` are the names of expert e's by their kind (gate,
    up, down), which come with group `groups[e]`."""

    path: str
    weights: list[Mapping[str, str]]
    groups: list[int]


@dataclass
class Plan:
    linears: list[PlannedLinear] = field(default_factory=list)
    experts: list[PlannedExperts] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    """The path of the module that runs with the walk's groups."""
    groups: Groups = field(default_factory=lambda: Groups([], []))


def make_plan(model: nn.Module, tensors: Mapping[str, Stored]) -> Plan:
    """Streams what is FP8, and the weights of linear layers that are in a layer with a number
    ("model.layers.3.mlp.up_proj"). TypeError for FP8 weights that no module here can compute with.
    """
    plan = Plan()
    walk: dict[str, list[str]] = {}
    for path, module in model.named_modules():
        weight = f"{path}.weight"
        layer = _layer_of(path)
        if isinstance(module, nn.Linear) and weight in tensors:
            if tensors[weight].is_fp8 or layer is not None:
                names = walk.setdefault(layer or path, [])
                names.append(weight)
                plan.linears.append(PlannedLinear(path, weight, list(walk).index(layer or path)))
        elif _holds_experts(module, path, tensors):
            plan.experts.append(_plan_experts(module, path, tensors))
    loose: list[list[str]] = []
    for experts in plan.experts:
        for weights in experts.weights:
            experts.groups.append(len(walk) + len(loose))
            loose.append(list(weights.values()))
    plan.layers = list(walk)
    plan.groups = Groups(list(walk.values()), loose)
    _check_nothing_is_left(model, plan, tensors)
    return plan


def _layer_of(path: str) -> str | None:
    """ "model.layers.3" of "model.layers.3.mlp.up_proj"."""
    found = _FIRST_NUMBER.match(path)
    return found.group() if found else None


def _holds_experts(module: nn.Module, path: str, tensors: Mapping[str, Stored]) -> bool:
    own = module._parameters
    if own.get("gate_up_proj") is None or own.get("down_proj") is None:
        return False
    return expert_names(path, 0)["gate"] in tensors


def _plan_experts(module: nn.Module, path: str, tensors: Mapping[str, Stored]) -> PlannedExperts:
    down = module._parameters["down_proj"]
    both = module._parameters["gate_up_proj"]
    assert down is not None and both is not None
    planned = PlannedExperts(path, [], [])
    if len(module._parameters) != 2 or down.dim() != 3:
        raise TypeError(f"{path!r} ({type(module).__name__}) has more weights than ecf8 knows of")
    experts, hidden, width = down.shape
    if tuple(both.shape) != (experts, 2 * width, hidden):
        raise TypeError(f"{path!r} ({type(module).__name__}) keeps its experts in another layout")
    for expert in range(experts):
        names = expert_names(path, expert)
        for kind, name in names.items():
            shape = [hidden, width] if kind == "down" else [width, hidden]
            if name not in tensors or list(tensors[name].shape) != shape:
                raise from_status(
                    "NOT_FOUND", f"there is no tensor {name!r} of shape {shape}", tensor=name
                )
        planned.weights.append(names)
    return planned


def _check_nothing_is_left(model: nn.Module, plan: Plan, tensors: Mapping[str, Stored]) -> None:
    streamed = {linear.weight for linear in plan.linears}
    for name, _ in [*model.named_parameters(), *model.named_buffers()]:
        if name in tensors and tensors[name].is_fp8 and name not in streamed:
            path = name.rpartition(".")[0]
            kind = type(model.get_submodule(path)).__name__
            raise TypeError(f"{name!r} is FP8, and ecf8 does not know how {kind} computes with it")
