"""What of a survey is on the node already."""

from typing import NamedTuple

from shared.blastdb.listings import ListedBlob
from warmer import taxonomy
from warmer.board import Entry
from warmer.checking import verified
from warmer.home import FileRecord, State
from warmer.survey import Survey
from warmer.tools import Tools


class Comparison(NamedTuple):
    """`records` are of the files that are right; `missing` is to be copied, `aliases` to be written."""

    records: dict[str, FileRecord]
    missing: list[ListedBlob]
    aliases: dict[str, ListedBlob]


def compare(found: Survey, state: State, tools: Tools) -> Comparison:
    """Look at every file of the survey, and tell the board. Files that nobody touched are not read again.

    Raises:
        Stopped: the work is no longer wanted.
    """
    home, board = tools.home, tools.board
    missing_taxonomy = taxonomy.compare(home, found.taxonomy, tools.stop)
    board.expect(
        {wanted.leaf: Entry(wanted.shard, wanted.blob.size_bytes) for wanted in (*found.wanted, *found.aliases)}
        | {blob.leaf: Entry(None, blob.size_bytes) for blob in found.taxonomy}
    )
    records: dict[str, FileRecord] = {}
    wrong: list[ListedBlob] = []
    for wanted in (*found.wanted, *found.aliases):
        record = verified(home.folder / wanted.leaf, wanted.blob, state.verified.get(wanted.leaf), tools.stop)
        if record is None:
            wrong.append(wanted.blob)
        else:
            records[wanted.leaf] = record
            board.verified(wanted.leaf)
    missing_leaves = {blob.leaf for blob in missing_taxonomy}
    for leaf, record in taxonomy.records(home, (blob.leaf for blob in found.taxonomy)).items():
        if leaf not in missing_leaves:
            # Another database's may be the newer one, and of another size.
            board.verified(leaf, record.size_bytes)
    aliases = {wanted.leaf for wanted in found.aliases}
    return Comparison(
        records=records,
        missing=[blob for blob in wrong if blob.leaf not in aliases] + missing_taxonomy,
        aliases={blob.leaf: blob for blob in wrong if blob.leaf in aliases},
    )
