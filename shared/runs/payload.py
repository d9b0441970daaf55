"""What every value that travels between steps is made of, and how patiently steps are repeated."""

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    """Frozen; unknown fields are passed over, so that a newer release's payload can still be read."""

    model_config = ConfigDict(frozen=True)


class RetrySteering(Wire):
    """How often and how patiently a step is repeated; copied from the settings into the run's input."""

    attempts: int = 5
    first_seconds: float = 1.0
    factor: float = 2.0
    longest_seconds: float = 30.0
