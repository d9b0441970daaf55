"""Atomic writes: a file is complete or absent, even if the process or the machine crashes."""

import ctypes
import os
from pathlib import Path

_LIBC = ctypes.CDLL(None)
_SYNC_FILE_RANGE_WRITE = 2


def write_whole(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Replace a file's content in one step.

    Args:
        path: its folder must exist.
        data: the content.
        sync: False saves disk writes, for a file that need not survive a crash of the machine. Readers still never see half.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with temporary.open("wb") as stream:
        stream.write(data)
        stream.flush()
        if sync:
            os.fsync(stream.fileno())
    temporary.replace(path)
    if sync:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that the names in it are as durable as the files."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def start_writing_back(descriptor: int, offset: int, length: int) -> None:
    """Ask the kernel to start writing dirty pages to disk now. Does not wait, and a refusal does no harm.

    Without this the kernel starts when a tenth of memory is dirty, and the fsync at a file's end waits for all of that.
    """
    _LIBC.sync_file_range(descriptor, ctypes.c_int64(offset), ctypes.c_int64(length), _SYNC_FILE_RANGE_WRITE)
