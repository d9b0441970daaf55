"""A node's disk, which is the machine's or a small one of its own for tests of full disks; and its page cache."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TYPE_CHECKING

from local.processes import ProcessFailed

if TYPE_CHECKING:
    from pathlib import Path


class Disk:
    """The file system below a node's folder."""

    def __init__(self, folder: Path, size_bytes: int | None) -> None:
        """Describe a disk.

        Args:
            folder: the node's root; the disk image is beside it.
            size_bytes: of an ext4 file system on a loop device, which needs root. Unlike a tmpfs, its pages are cached and
                dropped as on any disk. None: the machine's disk, without a limit.
        """
        self._folder = folder
        self._image = folder.with_name(f"{folder.name}.ext4")
        self._limit_bytes = size_bytes
        self._is_mounted = False

    @property
    def size_bytes(self) -> int:
        """The disk's size, once mounted."""
        return self._limit_bytes or shutil.disk_usage(self._folder).total

    async def mount(self) -> None:
        """Create the folder, and mount its own disk if it has one. Safe to repeat.

        Raises:
            ProcessFailed: the disk could not be created or mounted, which needs root and loop devices.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._limit_bytes is None or self._is_mounted:
            return
        with self._image.open("wb") as image:
            image.truncate(self._limit_bytes)
        await _run("mkfs.ext4", "-q", "-m", "0", "-F", str(self._image))
        await _run("mount", "-o", "loop", str(self._image), str(self._folder))
        self._is_mounted = True
        (self._folder / "lost+found").rmdir()

    async def unmount(self) -> None:
        """Delete the node's own disk with its files. Safe to repeat."""
        if self._is_mounted:
            await _run("umount", "-l", str(self._folder))
            self._image.unlink(missing_ok=True)
            self._is_mounted = False


def fill(folder: Path, leave_bytes: int) -> Path:
    """Fill the file system until `leave_bytes` are free; returns the file that fills it. For a node's own disk only."""
    filler = folder / ".filler"
    size = 0
    with filler.open("wb") as stream:
        piece = shutil.disk_usage(folder).total
        while (free := shutil.disk_usage(folder).free - leave_bytes) > 0 and piece:
            piece = min(piece, free)
            try:
                os.posix_fallocate(stream.fileno(), size, piece)
            except OSError:
                # Other processes write at the same time, and the file system's metadata takes some blocks.
                piece //= 2
            else:
                size += piece
    return filler


def drop_page_cache(folder: Path) -> int:
    """Evict the files' pages from memory, as `vmtouch -e` does; returns the number of files.

    Pages that a process has locked stay.
    """
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            # The kernel cannot drop pages that are not on the disk yet.
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    return len(files)


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise ProcessFailed(f"{' '.join(command)} failed: {output.decode().strip()}")
