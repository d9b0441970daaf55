"""`make bicep-types`: write infra/types, from the types of resources in a package of Microsoft's on npm.

The package carries one API version of each type, the newest that it knows. It is large (about 140 MB), so `make setup` does not
install it: this command fetches it into a folder of its own, and checks need only what it wrote.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from local.bicep import snapshot
from local.bicep.checking import INFRA, files
from local.bicep.sources import read_all

PACKAGE, VERSION = "@azure/mcp-linux-x64", "2.0.5"
_PROGRAM = f"node_modules/{PACKAGE}/dist/azmcp"


def used() -> list[str]:
    """The resource types in our files, those of `existing` resources too."""
    return sorted({resource.type for source in read_all(files()).values() for resource in source.resources.values()})


def _ask(program: Path, resource_type: str) -> list[dict[str, Any]] | None:
    environment = {**os.environ, "AZURE_MCP_COLLECT_TELEMETRY": "false"}  # noqa: TID251 - the program's, not the app's settings
    command = [str(program), "bicepschema", "get", "--resource-type", resource_type]
    asked = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    answer: dict[str, Any] = json.loads(asked.stdout[asked.stdout.index("{") :])
    if answer["status"] == 200:  # noqa: PLR2004 - HTTP's own number
        return answer["results"]["BicepSchemaResult"]
    if "not supported" in answer["message"]:
        return None
    raise RuntimeError(f"{resource_type}: {answer['message']}")


def main() -> None:
    """Write a file for each type, and remove those of types that nobody uses."""
    folder = INFRA / "types"
    folder.mkdir(exist_ok=True)
    absent: list[str] = []
    written = {"source.json"}
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["npm", "install", "--prefix", place, "--no-save", "--silent", f"{PACKAGE}@{VERSION}"], check=True)
        for resource_type in used():
            answer = _ask(Path(place) / _PROGRAM, resource_type)
            if answer is None:
                absent.append(resource_type)
                continue
            name = snapshot.file_name(resource_type)
            (folder / name).write_text(json.dumps(snapshot.compact(answer), indent=1) + "\n")
            written.add(name)
    source = {"package": PACKAGE, "version": VERSION, "absent": absent}
    (folder / "source.json").write_text(json.dumps(source, indent=1) + "\n")
    for path in folder.glob("*.json"):
        if path.name not in written:
            path.unlink()
    print(f"wrote {len(written)} files to infra/types; the package lacks {', '.join(absent) or 'none'}")


if __name__ == "__main__":
    main()
