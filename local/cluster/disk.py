"""A node's disk: the machine's own, or a small one of its own for what happens when disks are full; and its page cache."""

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
            folder: the node's root; its disk image lies beside it.
            size_bytes: of an ext4 file system on a loop device, so that its pages are cached and dropped as those of
                any disk (those of a tmpfs are not); needs root. None: the machine's disk, without a limit.
        """
        self._folder = folder
        self._image = folder.with_name(f"{folder.name}.ext4")
        self._limit_bytes = size_bytes
        self._is_mounted = False

    @property
    def size_bytes(self) -> int:
        """Of the disk; once mounted."""
        return self._limit_bytes or shutil.disk_usage(self._folder).total

    async def mount(self) -> None:
        """Make the folder, with a disk of its own if that was asked for. Safe to repeat.

        Raises:
            ProcessFailed: the disk could not be made or mounted: it needs root and loop devices.
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
        """Take a disk of its own away with all that is on it. Safe to repeat."""
        if self._is_mounted:
            await _run("umount", "-l", str(self._folder))
            self._image.unlink(missing_ok=True)
            self._is_mounted = False


def fill(folder: Path, leave_bytes: int) -> Path:
    """Fill the file system until only so much is free; returns the file that does it. For a disk of a node's own."""
    filler = folder / ".filler"
    size = 0
    with filler.open("wb") as stream:
        piece = shutil.disk_usage(folder).total
        while (free := shutil.disk_usage(folder).free - leave_bytes) > 0 and piece:
            piece = min(piece, free)
            try:
                os.posix_fallocate(stream.fileno(), size, piece)
            except OSError:
                # Others write at the same time, and the file system's own notes take some blocks.
                piece //= 2
            else:
                size += piece
    return filler


def drop_page_cache(folder: Path) -> int:
    """Let the kernel forget the files' content, as `vmtouch -e` does; returns how many files there were.

    What a process has locked in memory stays.
    """
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            # Pages that are not on the disk yet cannot be dropped.
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
