"""Environment variables of the app's process, and %SETTING% references in bindings."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Orchestrators, entities and functions that are not async each hold a thread of the worker while they run.
_WORKER_THREADS = "64"


def app_environment(app: Path, own: Mapping[str, str], url: str) -> dict[str, str]:
    """The app's environment: `own` overrides this process's environment, which overrides local.settings.json."""
    return {
        "PYTHON_THREADPOOL_THREAD_COUNT": _WORKER_THREADS,
        **_local_values(app),
        **os.environ,  # noqa: TID251 - the environment that the app's process starts from
        **own,
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "WEBSITE_HOSTNAME": url.removeprefix("http://"),
    }


def _local_values(app: Path) -> dict[str, str]:
    """`Values` of the app's local.settings.json; empty without that file."""
    file = app / "local.settings.json"
    if not file.exists():
        return {}
    values = json.loads(file.read_text()).get("Values", {})
    return {name: str(value) for name, value in values.items()}


def resolve(text: str, env: Mapping[str, str]) -> str:
    """The text with each %SETTING% replaced; references to settings that are not set stay."""
    return re.sub(r"%(\w+)%", lambda match: env.get(match[1], match[0]), text)
