"""What a run has to hold before it writes: the same for every kind of run."""

from typing import NamedTuple

from shared.runs.leases import Kind


class Claim(NamedTuple):
    """A run that wants a lease: on what (`key`), who it is, and for how long at a time; `name` is for people."""

    key: str
    run: str
    kind: Kind
    number: int
    name: str
    lease_seconds: float
    presumed_dead: str | None
