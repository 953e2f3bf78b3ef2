"""What goes wrong, as exceptions: one for each status that callers may want to tell apart."""

from __future__ import annotations


class Error(Exception):
    """An error of ecf8's. What is known of its place is in the attributes."""

    code: str = "UNKNOWN"
    """As gRPC spells it: "DATA_LOSS"."""
    model: str | None = None
    unit: str | None = None
    tensor: str | None = None
    shard: str | None = None
    """A file's name, never a path."""
    offset_bytes: int = 0
    """In the shard."""
    shortfall_bytes: int = 0
    """What is missing to a budget, where one is too small."""


class NotFoundError(Error, LookupError):
    """There is no such file, model, unit or tensor."""


class InvalidArgumentError(Error, ValueError):
    """What was asked for cannot be."""


class FailedPreconditionError(Error):
    """What was asked for cannot be as things are: a lease has ended, other weights are served."""


class DataLossError(Error):
    """A checksum does not hold, or a file is no valid one: no weight of it was returned."""


class ResourceExhaustedError(Error):
    """A disk, a budget or a limit is too small; `shortfall_bytes` says by how much, if known."""


class UnavailableError(Error, ConnectionError):
    """No daemon answers, or it went."""


class DeadlineExceededError(Error, TimeoutError):
    """It took longer than the caller wanted to wait."""


class CancelledError(Error):
    """It was ended from another thread."""


_BY_CODE: dict[str, type[Error]] = {
    "NOT_FOUND": NotFoundError,
    "INVALID_ARGUMENT": InvalidArgumentError,
    "OUT_OF_RANGE": InvalidArgumentError,
    "FAILED_PRECONDITION": FailedPreconditionError,
    "DATA_LOSS": DataLossError,
    "RESOURCE_EXHAUSTED": ResourceExhaustedError,
    "UNAVAILABLE": UnavailableError,
    "DEADLINE_EXCEEDED": DeadlineExceededError,
    "CANCELLED": CancelledError,
}


def from_status(
    code: str,
    message: str,
    *,
    model: str | None = None,
    unit: str | None = None,
    tensor: str | None = None,
    shard: str | None = None,
    offset_bytes: int = 0,
    shortfall_bytes: int = 0,
) -> Error:
    """What the native code raises for a status."""
    error = _BY_CODE.get(code, Error)(message)
    error.code = code
    error.model = model
    error.unit = unit
    error.tensor = tensor
    error.shard = shard
    error.offset_bytes = offset_bytes
    error.shortfall_bytes = shortfall_bytes
    return error
