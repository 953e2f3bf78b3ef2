"""Models whose weights come just before they are needed, and go again."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ecf8._closing import Closing
from ecf8._daemon import ServedModel
from ecf8._errors import from_status
from ecf8.torch._daemon_source import DaemonSource
from ecf8.torch._dequantize import (
    DEFAULT_BLOCK,
    BlockScales,
    BlockSize,
    block_size_said,
    scale_name,
)
from ecf8.torch._directory_source import DirectorySource
from ecf8.torch._experts import ExpertMatrices, StreamedExperts
from ecf8.torch._feed import Feed, refuse_training
from ecf8.torch._linear import StreamedLinear, StreamedMatrix
from ecf8.torch._plan import Plan, PlannedExperts, PlannedLinear, make_plan
from ecf8.torch._resident import Resident
from ecf8.torch._source import Source, StreamOptions

WeightSource = ServedModel | str | os.PathLike[str]

_SLOTS = 4
_TIMEOUT = 60.0  # seconds
_RECONNECT_FOR = 60.0  # seconds


def attach(
    model: nn.Module,
    source: WeightSource,
    *,
    slots: int = _SLOTS,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    block_size: BlockSize | None = None,
    resident_from: str | os.PathLike[str] | None = None,
    reconnect: bool | float = False,
    timeout: float = _TIMEOUT,
) -> Attachment:
    """Makes a model runnable whose weights are not there, such as a Hugging Face model on the meta
    device. For inference only.

    `source`: a daemon's model, `ecf8.connect().model("NAME")`, or the path of a compressed
    directory, which is then decoded by a thread of this process. Embeddings, norms and heads are
    read now and stay. The weights of the layers come just before each layer runs and go after it;
    the next ones are being decoded meanwhile. Of experts those come that the router chose.

    `slots`: so many layers' weights are in memory at once, the one that runs included. `device`:
    where the model runs; decoding is the host's. `dtype`: of what is computed, by default the
    model's. FP8 weights become weight * scale, in F32, rounded once: what transformers computes
    with `FineGrainedFP8Config(dequantize=True)`. `block_size`: the rows and columns that share a
    scale, where the model's configuration does not say. `resident_from`: a directory of the same
    weights (FailedPreconditionError for others), from which what stays is read: a daemon needs no
    room for it then. `reconnect`: whether a daemon that went is waited for, 60 seconds or as many
    as this says; otherwise UnavailableError is raised. `timeout`: seconds that weights may take to
    come, before DeadlineExceededError.

    The model's parameters need the names of the checkpoint's tensors. It is put into eval mode.
    One thread at a time may run it. `detach`, or the end of a `with` block, undoes it.
    """
    if slots < 1:
        raise ValueError("a model needs one slot at least")
    made = Attachment(model, open_source(source), dtype, torch.device(device), block_size)
    try:
        if resident_from is not None:
            made.read_resident_from(resident_from)
        made.replace_modules()
        made.start(slots, timeout, _RECONNECT_FOR if reconnect is True else float(reconnect))
    except BaseException:
        made.close()
        raise
    return made


def detach(model: nn.Module) -> None:
    """Undoes `attach`. Does nothing to a model that is not attached."""
    made = _ATTACHED.get(model)
    if made is not None:
        made.close()


def attachment(model: nn.Module) -> Attachment:
    """Of an attached model. ValueError for another."""
    found = _ATTACHED.get(model)
    if found is None:
        raise ValueError("the model is not attached")
    return found


@dataclass(frozen=True)
class AttachStatistics:
    """Since the model was attached, or since `reset_statistics`."""

    stall_seconds: float
    """In which a layer waited for its weights."""
    layers_acquired: int
    experts_acquired: int
    experts_seen: int
    """How many different ones."""
    resident_bytes: int
    """Of parameters that stay."""
    stream_bytes: int
    """Of memory for those that come and go, at most; of a daemon's, its slots."""


class Attachment(Closing):
    """A model's connection to its weights. `attach` makes it."""

    def __init__(
        self,
        model: nn.Module,
        source: Source,
        dtype: torch.dtype | None,
        device: torch.device,
        block_size: BlockSize | None,
    ) -> None:
        if model in _ATTACHED:
            raise ValueError("the model is attached already")
        self._model = weakref.ref(model)
        self._source = source
        self._resident_source = source
        self._device = device
        self._dtype = dtype or _dtype_of(model)
        self._block = block_size or _block_size_of(model)
        self._tensors = source.tensors()
        self._feed = Feed()
        self._was_training = model.training
        self._replaced: list[tuple[str, nn.Module]] = []
        self._hooks: list[Any] = []
        self._resident = Resident(device, self._dtype)
        self._plan = make_plan(model, self._tensors)
        _ATTACHED[model] = self

    @property
    def statistics(self) -> AttachStatistics:
        walked = len(self._plan.groups.walk)
        experts = {g: n for g, n in self._feed.acquired.items() if g >= walked}
        return AttachStatistics(
            stall_seconds=self._feed.stall_seconds,
            layers_acquired=sum(n for g, n in self._feed.acquired.items() if g < walked),
            experts_acquired=sum(experts.values()),
            experts_seen=len(experts),
            resident_bytes=self._resident.size_bytes,
            stream_bytes=self._feed.memory_bytes,
        )

    def reset_statistics(self) -> None:
        self._feed.reset()

    def close(self) -> None:
        """As `detach`."""
        self._feed.close()
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        model = self._model()
        if model is None:
            return
        if _ATTACHED.get(model) is self:
            del _ATTACHED[model]
        self._resident.undo()
        for path, module in self._replaced:
            model.set_submodule(path, module)
        self._replaced.clear()
        model.train(self._was_training)

    def read_resident_from(self, directory: str | os.PathLike[str]) -> None:
        """Instead of from the source. Before the halves of `attach`."""
        source = DirectorySource(directory)
        if source.digest != self._source.digest:
            raise from_status(
                "FAILED_PRECONDITION",
                f"{source.description} has other weights than {self._source.description}",
            )
        self._resident_source = source

    def replace_modules(self) -> None:
        """The first half of `attach`: puts modules in whose weights come and go."""
        model = self._living()
        scales = self._read_scales(self._plan)
        matrices = {
            name: StreamedMatrix(name, scales.get(name))
            for names in [*self._plan.groups.walk, *self._plan.groups.loose]
            for name in names
        }
        for linear in self._plan.linears:
            self._swap(model, linear.path, self._linear(model, linear, matrices))
        for experts in self._plan.experts:
            self._swap(model, experts.path, self._experts(model, experts, matrices))

    def start(
        self, slots: int = _SLOTS, timeout: float = _TIMEOUT, reconnect_for: float = 0
    ) -> None:
        """The other half: fills what stays, and lets the weights come."""
        model = self._living()
        model.eval()
        self._resident.fill(model, self._resident_source, self._tensors)
        options = StreamOptions(slots, slots, self._device, timeout, reconnect_for)
        if self._plan.layers or self._plan.experts:
            self._feed.open(self._source.stream(self._plan.groups, options))
        weakref.finalize(model, self._feed.close)
        for group, path in enumerate(self._plan.layers):
            self._hook(model.get_submodule(path), group)

    def _living(self) -> nn.Module:
        model = self._model()
        assert model is not None
        return model

    def _linear(
        self, model: nn.Module, planned: PlannedLinear, matrices: Mapping[str, StreamedMatrix]
    ) -> StreamedLinear:
        replaced = model.get_submodule(planned.path)
        assert isinstance(replaced, nn.Linear)
        shape = list(self._tensors[planned.weight].shape)
        if shape != [replaced.out_features, replaced.in_features]:
            raise from_status(
                "INVALID_ARGUMENT",
                f"{planned.weight!r} has the shape {shape}, and its module is {replaced}",
                tensor=planned.weight,
            )
        matrix = matrices[planned.weight]
        return StreamedLinear(replaced, matrix, self._feed, planned.group, self._dtype)

    def _experts(
        self, model: nn.Module, planned: PlannedExperts, matrices: Mapping[str, StreamedMatrix]
    ) -> StreamedExperts:
        hidden, width = self._tensors[planned.weights[0]["down"]].shape
        chosen = [
            ExpertMatrices(matrices[names["gate"]], matrices[names["up"]], matrices[names["down"]])
            for names in planned.weights
        ]
        replaced = model.get_submodule(planned.path)
        shapes = (width, hidden)
        return StreamedExperts(replaced, chosen, shapes, self._feed, planned.groups, self._dtype)

    def _swap(self, model: nn.Module, path: str, module: nn.Module) -> None:
        self._replaced.append((path, model.get_submodule(path)))
        model.set_submodule(path, module)

    def _read_scales(self, plan: Plan) -> dict[str, BlockScales]:
        """Of the streamed FP8 weights, by their names."""
        matrices = [name for group in [*plan.groups.walk, *plan.groups.loose] for name in group]
        fp8 = [name for name in matrices if self._tensors[name].is_fp8]
        scale_of = {name: scale_name(name, self._tensors) for name in fp8}
        wanted = [scale for scale in scale_of.values() if scale is not None]
        values = self._resident_source.read(wanted) if wanted else {}
        return {name: self._scales(name, values.get(scale_of[name] or "")) for name in fp8}

    def _scales(self, name: str, values: Tensor | None) -> BlockScales:
        stored = self._tensors[name]
        scales = BlockScales.of(name, stored.torch_dtype, stored.shape, values, self._block)
        return scales.to(self._device)

    def _hook(self, layer: nn.Module, group: int) -> None:
        feed = self._feed

        def before(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            refuse_training(*(value for value in inputs if isinstance(value, Tensor)))
            if module.training and torch.is_grad_enabled():
                raise RuntimeError(
                    "a model attached to ecf8 is for inference, not for training: call eval()"
                )
            feed.acquire(group)

        def after(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            feed.release(group)

        self._hooks.append(layer.register_forward_pre_hook(before))
        self._hooks.append(layer.register_forward_hook(after, always_call=True))


_ATTACHED: weakref.WeakKeyDictionary[nn.Module, Attachment] = weakref.WeakKeyDictionary()


def open_source(source: WeightSource) -> Source:
    if isinstance(source, ServedModel):
        return DaemonSource(source)
    return DirectorySource(source)


def _dtype_of(model: nn.Module) -> torch.dtype:
    for parameter in model.parameters():
        if parameter.is_floating_point():
            return parameter.dtype
    return torch.bfloat16


def _block_size_of(model: nn.Module) -> BlockSize:
    """As the configuration of a Hugging Face model says it, or as most have it."""
    known = getattr(getattr(model, "config", None), "quantization_config", None)
    return block_size_said(known) or DEFAULT_BLOCK
