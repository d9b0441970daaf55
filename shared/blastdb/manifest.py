"""The manifest of a shard: the text that lists its volumes. Format: contract 1.7; a shell script reads it, so bytes matter."""

from shared.blastdb.layout import Layout
from shared.blastdb.volumes import VolumeSet


def render_manifest(volumes: VolumeSet, layout: Layout, index: int) -> bytes:
    r"""Render one volume base name to a line, each ended by `\n`, the last included."""
    return "".join(f"{name}\n" for name in volumes.names(*layout.shard(index))).encode()


def parse_manifest(text: bytes) -> tuple[str, ...]:
    """The volume base names that a manifest lists.

    Raises:
        ValueError: it is not UTF-8.
    """
    return tuple(line for line in text.decode().splitlines() if line)
