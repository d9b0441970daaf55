"""The bases of payloads that travel between steps and of runs' inputs, and the retry options of these steps."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Payload(BaseModel):
    """Frozen; unknown fields are passed over, so that a newer release's payload can still be read."""

    model_config = ConfigDict(frozen=True)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON as it is stored in history and entities: fields that have their default are left out."""
        return self.model_dump(mode="json", exclude_defaults=True)


class RunInput(Payload):
    """The base of what a request starts a run with.

    `nonce` is one request's random text: racing requests start runs under one id, and the text says whose run it is. None in
    child runs, and in runs that an earlier build started.
    """

    nonce: str | None = None


class RetryOptions(Payload):
    """How often and after which pauses a step is repeated; copied from the settings into the run's input."""

    attempts: int = 5
    first_seconds: float = 1.0
    factor: float = 2.0
    longest_seconds: float = 30.0
