"""How long laws may take: as long as they need, the run's own time limit apart; and how many cases they try."""

from hypothesis import settings

_EXAMPLES = 100
_QUICK_EXAMPLES = 20


def pytest_configure(config):
    """Try fewer cases in the inner loop."""
    examples = _QUICK_EXAMPLES if config.getoption("--quick") else _EXAMPLES
    settings.register_profile("domain", deadline=None, max_examples=examples)
    settings.load_profile("domain")
