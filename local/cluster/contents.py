"""Write folders atomically, as the kubelet does for ConfigMaps and Secrets."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE_MODE = 0o644


def write_atomically(folder: Path, content: Mapping[str, bytes]) -> None:
    """Replace a folder's files; readers see all of the old or all of the new files."""
    folder.mkdir(parents=True, exist_ok=True)
    current = folder / "..data"
    old = folder / current.readlink() if current.is_symlink() else None
    if old is not None and _read(old) == content:
        return
    new = folder / f"..{secrets.token_hex(8)}"
    for path, value in content.items():
        (new / path).parent.mkdir(parents=True, exist_ok=True)
        (new / path).write_bytes(value)
        (new / path).chmod(_FILE_MODE)
    new.mkdir(exist_ok=True)
    fresh = folder / "..data_tmp"
    fresh.symlink_to(new.name)
    fresh.replace(current)
    names = {Path(path).parts[0] for path in content}
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data") / name)
    for entry in folder.iterdir():
        if entry.is_symlink() and entry.name != "..data" and entry.name not in names:
            entry.unlink()
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _read(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
