"""The text that opens a shard for BLAST, with the whole database's statistics. Format: contract 1.7, blast-facts.

Four lines carry the totals of the *whole* database, and with all four e-values and hits of a shard equal those of the
unsharded search for every program. `STATS_NSEQ` and `STATS_TOTLEN` set the effective search space. `NSEQ` and `LENGTH` set
the average sequence length, by which BLAST finds the cutoffs of ungapped extensions, and the size that it reports. Keys are
upper case and numbers plain integers: BLAST ignores anything else without a word.
"""

from shared.blastdb.blobs import shard_name
from shared.blastdb.layout import Layout
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import VolumeSet

LEGACY_ALIAS, SEARCH_SPACE_ALIAS, WHOLE_ALIAS = 0, 1, 2
"""The versions of the alias form: the replaced system's without totals, a former one of ours with `STATS_NSEQ` and `STATS_TOTLEN`
only, which is not exact for ungapped searches of skewed databases, and today's with all four."""

LOCAL_FOLDER = "/blast/blastdb"
"""Where every node mounts its database files; fixed by the consumers."""


def render_alias(
    volumes: VolumeSet, layout: Layout, index: int, statistics: Statistics | None, version: int = WHOLE_ALIAS
) -> bytes:
    """The alias of one shard, `.nal` and `.pal` alike.

    Args:
        volumes: of the whole database.
        layout: of the shard set.
        index: which shard.
        statistics: of the whole database; None leaves the totals out, as the replaced system's form does.
        version: of the form; a recorded layout is rendered in its own, byte for byte.
    """
    title = shard_name(volumes.db, index)
    paths = " ".join(f"{LOCAL_FOLDER}/{name}" for name in volumes.names(*layout.shard(index)))
    lines = [f"TITLE {title}", f"DBLIST {paths}"]
    if statistics is not None and version >= WHOLE_ALIAS:
        lines += [f"NSEQ {statistics.sequences}", f"LENGTH {statistics.letters}"]
    if statistics is not None and version >= SEARCH_SPACE_ALIAS:
        lines += [f"STATS_NSEQ {statistics.sequences}", f"STATS_TOTLEN {statistics.letters}"]
    return "".join(f"{line}\n" for line in lines).encode()
