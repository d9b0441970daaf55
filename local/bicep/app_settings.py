"""The app's settings in Bicep against what the app and its host read."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from local.bicep.parsing import Finding, literal
from local.bicep.sources import Source, settings_of

MAIN, FUNCTIONS = "infra/main.bicep", "infra/modules/functions.bicep"
_PREFIX = "SHARDWARM_"


def names(sources: Mapping[str, Source]) -> dict[str, str | None]:
    """The settings that every deployment makes, with the values that stand there as text."""
    found = {**settings_of(sources[MAIN], "ownSettings"), **settings_of(sources[FUNCTIONS], "hostSettings")}
    return {name: literal(node) for name, node in found.items()}


def findings(sources: Mapping[str, Source], known: Mapping[str, str], referenced: AbstractSet[str]) -> Iterator[Finding]:
    """Find settings that the app refuses, ones that only repeat a default, and ones that are missing.

    Args:
        sources: all files by path.
        known: the app's own settings with their defaults as text.
        referenced: settings that the platform reads by name, as `%NAME%` in a binding and as names of connections in host.json.
    """
    made = names(sources)
    optional = settings_of(sources[MAIN], "schedulerSettings")
    for name in sorted(made.keys() | optional.keys()):
        if name.startswith(_PREFIX) and name not in known:
            yield Finding(MAIN, 1, f"the app refuses the setting {name}")
    for name, value in made.items():
        if value is not None and value == known.get(name) and name not in referenced:
            yield Finding(MAIN, 1, f"{name} repeats its default")
    present = {name.partition("__")[0] for name in made}
    for name in sorted(referenced - present):
        yield Finding(MAIN, 1, f"the platform reads the setting {name}, and nothing sets it")
