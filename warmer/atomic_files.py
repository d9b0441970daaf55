"""Atomic writes: a file is whole or absent, whatever happens to the process or the machine."""

import ctypes
import os
from pathlib import Path

_LIBC = ctypes.CDLL(None)
_SYNC_FILE_RANGE_WRITE = 2


def write_whole(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Replace a file's content in one step.

    Args:
        path: its folder must be there.
        data: the content.
        sync: False spares the disk, for a file that need not outlive the machine; a reader still never sees half of it.
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
    """Make the names in a folder as durable as the files behind them."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def start_writing_back(descriptor: int, offset: int, length: int) -> None:
    """Ask the kernel to begin writing dirty pages to disk now. Does not wait, and a refusal costs nothing.

    Left to itself it begins when a tenth of memory is dirty, and the fsync at a file's end waits for all of that.
    """
    _LIBC.sync_file_range(descriptor, ctypes.c_int64(offset), ctypes.c_int64(length), _SYNC_FILE_RANGE_WRITE)
