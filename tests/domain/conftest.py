"""How long laws may take: as long as they need, the run's own time limit apart."""

from hypothesis import settings

settings.register_profile("domain", deadline=None, max_examples=100)
settings.load_profile("domain")
