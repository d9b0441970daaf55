"""The text that names a shard's volumes. Format: contract 1.7; its consumer is a shell script, so bytes matter."""

from shared.blastdb.layout import Layout
from shared.blastdb.volumes import VolumeSet


def render_manifest(volumes: VolumeSet, layout: Layout, index: int) -> bytes:
    r"""One volume base name a line, `\n` after each, the last included."""
    return "".join(f"{name}\n" for name in volumes.names(*layout.shard(index))).encode()


def parse_manifest(text: bytes) -> tuple[str, ...]:
    """The volume base names that a manifest lists.

    Raises:
        ValueError: it is not UTF-8.
    """
    return tuple(line for line in text.decode().splitlines() if line)
