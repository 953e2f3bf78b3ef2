"""Where a model's weights come from, as `--model-loader-extra-config` says it. Needs no vLLM."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from ecf8._daemon import Daemon, connect
from ecf8._errors import Error, NotFoundError, UnavailableError, from_status
from ecf8.torch._attach import open_source
from ecf8.torch._directory_source import DirectorySource
from ecf8.torch._source import Source


@dataclass(frozen=True)
class LoaderOptions:
    """The keys of `--model-loader-extra-config`."""

    daemon: str | None = None
    """Its address, "unix:PATH" or "HOST:PORT"; "" is the user's own, or $ECF8_DAEMON. None: the
    weights come from the directory."""
    model: str | None = None
    """Its name there; by default the directory's."""
    digest: str | None = None
    """Of the weights that are wanted, 16 hex digits; by default the directory's, if it has any."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """InvalidArgumentError for what is no option."""
        known = [field.name for field in fields(cls)]
        for key, value in given.items():
            if key not in known:
                raise from_status(
                    "INVALID_ARGUMENT",
                    f"the loader of ecf8 has no option {key!r}, but " + ", ".join(known),
                )
            if value is not None and not isinstance(value, str):
                raise from_status("INVALID_ARGUMENT", f"{key!r} is text, not {value!r}")
        if given.get("model") is not None and given.get("daemon") is None:
            raise from_status("INVALID_ARGUMENT", "'model' is of a daemon: say which, by 'daemon'")
        return cls(**given)

    def open(self, directory: str | os.PathLike[str]) -> Source:
        """The weights of the model whose configuration is in `directory`. NotFoundError where there
        are none, UnavailableError where no daemon answers, FailedPreconditionError where they are
        other ones than are wanted."""
        if not os.path.isdir(directory):
            raise from_status("NOT_FOUND", f"there is no directory {os.fspath(directory)!r}")
        if self.daemon is None:
            source = open_source(directory)
            self._check_digest(source, self.digest, "were asked for")
            return source
        served = self._connect().model(self.model or _name_of(directory))
        try:
            source = open_source(served)
        except NotFoundError as error:
            names = ", ".join(repr(model.name) for model in served.daemon.models())
            raise from_status(
                "NOT_FOUND",
                f"the daemon at {self.daemon!r} does not serve {served.name!r}, but "
                f"{names or 'nothing'}: say by 'model' which it is",
                model=served.name,
            ) from error
        if self.digest is not None:
            self._check_digest(source, self.digest, "were asked for")
        else:
            self._check_digest(source, _digest_of(directory), f"are in {os.fspath(directory)!r}")
        return source

    def _connect(self) -> Daemon:
        assert self.daemon is not None
        try:
            return connect(self.daemon)
        except UnavailableError as error:
            raise from_status(
                "UNAVAILABLE",
                f"no daemon answers at {self.daemon!r} ({error}): start ecf8d, or load from the "
                "directory, without 'daemon'",
            ) from error

    def _check_digest(self, source: Source, digest: str | None, whose: str) -> None:
        if digest is not None and digest != source.digest:
            raise from_status(
                "FAILED_PRECONDITION",
                f"{source.description} has the weights {source.digest}, and {digest} {whose}",
            )


def _name_of(directory: str | os.PathLike[str]) -> str:
    return os.path.basename(os.path.abspath(directory))


def _digest_of(directory: str | os.PathLike[str]) -> str | None:
    """None where it has only a model's configuration."""
    if not any(name.endswith(".safetensors") for name in os.listdir(directory)):
        return None
    try:
        return DirectorySource(directory).digest
    except Error as error:
        error.add_note("The directory's weights are to be those that the daemon serves.")
        raise
