"""Whether a database's own papers, its volumes and their index files speak of the same database.

All papers bind, whichever there are. BLAST itself notices little of a contradiction: it searches the volumes that the alias
names, and takes the rest from whatever lies beside.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from shared.blastdb.evidence import Evidence, alias_leaf, statistics_leaf, table_leaf
from shared.blastdb.extensions import place_of
from shared.blastdb.index_heads import IndexHead
from shared.blastdb.versions import version_four
from shared.blastdb.volumes import INDEX_EXTENSION, refuse_other_count
from shared.errors import Code, Problem, Unusable

_SHOWN = 5
_OLD_VERSION = 4
_ONE_BUILD = "Upload all files of one build of the database."
_RENAMED = "Give the files back the names that makeblastdb gave them, or make the database again under its new name."


def judge(evidence: Evidence) -> Problem | None:
    """Why a database is refused by its own papers: what contradicts what, and what to do; None when all agree."""
    checks = (_of_version_four, _limited, _of_other_databases, _papers_apart, _volumes_apart, _heads_apart, _totals_apart)
    found = (check(evidence) for check in checks)
    return next((error.problem for error in found if error is not None), None)


def ghosts_of(evidence: Evidence) -> tuple[str, ...]:
    """The volumes in storage that none of the papers names, in order, when nothing else is wrong with the database."""
    problem = judge(evidence)
    if problem is None or problem.code is not Code.GHOST_VOLUMES or not evidence.named:
        return ()
    names = evidence.named[0][1]
    return tuple(name for name in evidence.stored if name not in names)


def refuse_disagreement(evidence: Evidence) -> None:
    """Refuse a database whose papers, volumes and index files do not agree.

    Raises:
        Unusable: GhostVolumes, VolumeGap, VolumesMissing, PapersDisagree, LimitedByAlias or VersionFour; as `judge`.
    """
    problem = judge(evidence)
    if problem is not None:
        raise Unusable.of(problem)


def _of_version_four(evidence: Evidence) -> Unusable | None:
    versions = Counter(head.version for head in evidence.heads if head is not None)
    if versions.keys() == {_OLD_VERSION}:
        return version_four(evidence.volumes.db)
    if _OLD_VERSION in versions:
        return _disagree(
            evidence, f"{_which(evidence, lambda head: head.version == _OLD_VERSION)} of version 4, others of version 5"
        )
    return None


def _limited(evidence: Evidence) -> Unusable | None:
    alias = evidence.alias
    if alias is None or not alias.is_limited:
        return None
    db = evidence.volumes.db
    return Unusable(
        Code.LIMITED_BY_ALIAS,
        f"'{db}' is limited by its own alias ({', '.join(alias.limits)}): it hides sequences of its volumes, and shards would "
        "return them. Make a database of its sequences alone, with blastdbcmd -entry all and makeblastdb, and upload that.",
        target=alias_leaf(evidence.volumes),
    )


def _of_other_databases(evidence: Evidence) -> Unusable | None:
    index = INDEX_EXTENSION[evidence.volumes.molecule]
    names = evidence.alias.names if evidence.alias else ()
    others = [name for name in names if place_of(evidence.volumes.db, f"{name}.{index}") is None]
    if not others or len(others) == len(names):
        return None
    opens = f"{alias_leaf(evidence.volumes)} opens {_some(others)} as well as volumes of its own"
    return _disagree(evidence, opens, "Shard the databases that it names, each by itself, or take their names out of it.")


def _papers_apart(evidence: Evidence) -> Unusable | None:
    counts = [(paper, len(names)) for paper, names in evidence.named]
    if evidence.statistics is not None and evidence.statistics.volumes is not None:
        counts.append((statistics_leaf(evidence.volumes), evidence.statistics.volumes))
    if len({count for _, count in counts}) > 1:
        return _disagree(evidence, ", ".join(f"{paper} tells of {_counted(count)}" for paper, count in counts))
    if len({frozenset(names) for _, names in evidence.named}) > 1:
        (paper, names), (other, others) = evidence.named
        return _disagree(evidence, f"{paper} names {_some([name for name in names if name not in others])}, {other} does not")
    return None


def _volumes_apart(evidence: Evidence) -> Unusable | None:
    if not evidence.named:
        return _counted_apart(evidence)
    volumes = evidence.volumes
    papers = " and ".join(paper for paper, _ in evidence.named)
    names = evidence.named[0][1]
    missing = [name for name in names if name not in evidence.stored]
    ghosts = [name for name in evidence.stored if name not in names]
    if missing and ghosts:
        return _disagree(evidence, f"{_some(missing)} by {papers}, but {_some(ghosts)} in storage", _RENAMED)
    if ghosts:
        return Unusable(
            Code.GHOST_VOLUMES,
            f"'{volumes.db}' has {_counted(volumes.count)} in storage and {len(names)} by {papers}: {_some(ghosts)} belong to "
            "another generation. Remove them, or upload the papers that match.",
            target=volumes.db,
        )
    if missing:
        message = (
            f"'{volumes.db}' lacks {_some(missing)} of {papers}. Upload what is missing, or wait until the upload is complete."
        )
        return Unusable(Code.VOLUME_GAP, message, target=volumes.db)
    return None


def _counted_apart(evidence: Evidence) -> Unusable | None:
    counted = evidence.statistics.volumes if evidence.statistics else None
    try:
        refuse_other_count(evidence.volumes, evidence.volumes.count if counted is None else counted)
    except Unusable as error:
        return error
    return None


def _heads_apart(evidence: Evidence) -> Unusable | None:
    molecule, table = evidence.volumes.molecule, table_leaf(evidence.volumes)
    if any(head is not None and head.molecule != molecule for head in evidence.heads):
        return _disagree(
            evidence, f"{_which(evidence, lambda head: head.molecule != molecule)} of another molecule type than named"
        )
    asked = {head.database_file for head in evidence.heads if head is not None and head.database_file}
    if asked - {table}:
        which = _which(evidence, lambda head: head.database_file != table)
        return _disagree(
            evidence, f"{which} of a database with {_some(sorted(asked - {table}))}, where BLAST looks for it", _RENAMED
        )
    if evidence.table is None:
        return None
    counted = dict(evidence.table.rows)
    apart = [
        f"{name} has {head.totals.sequences} sequences by its index file and {counted[name]} by {table}"
        for name, head in zip(evidence.stored, evidence.heads, strict=False)
        if head is not None and counted.get(name, head.totals.sequences) != head.totals.sequences
    ]
    return _disagree(evidence, _some(apart)) if apart else None


def _totals_apart(evidence: Evidence) -> Unusable | None:
    heads = [head.totals for head in evidence.heads if head is not None]
    sequences = evidence.table.sequences if evidence.table else None
    letters = None
    if len(heads) == evidence.volumes.count:
        sequences, letters = sum(head.sequences for head in heads), sum(head.letters for head in heads)
    alias, statistics = evidence.alias, evidence.statistics
    told: list[tuple[str, str, int | None, int | None]] = []
    if alias is not None:
        paper = alias_leaf(evidence.volumes)
        told += [(paper, "sequences", alias.sequences, sequences), (paper, "letters", alias.letters, letters)]
        told += [(paper, "sequences", alias.stats_sequences, sequences), (paper, "letters", alias.stats_letters, letters)]
    if statistics is not None:
        paper = statistics_leaf(evidence.volumes)
        told += [(paper, "sequences", statistics.sequences, sequences), (paper, "letters", statistics.letters, letters)]
    for paper, what, count, real in told:
        if count is not None and real is not None and count != real:
            return _disagree(evidence, f"{paper} counts {count} {what}, and the volumes have {real}")
    return None


def _which(evidence: Evidence, is_apart: Callable[[IndexHead], bool]) -> str:
    """The volumes whose heads stand out, as the beginning of a sentence."""
    heads = zip(evidence.stored, evidence.heads, strict=False)
    names = [name for name, head in heads if head is not None and is_apart(head)]
    return f"{_some(names)} {'is' if len(names) == 1 else 'are'}"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def _counted(volumes: int) -> str:
    return "1 volume" if volumes == 1 else f"{volumes} volumes"


def _disagree(evidence: Evidence, what: str, remedy: str = _ONE_BUILD) -> Unusable:
    db = evidence.volumes.db
    return Unusable(Code.PAPERS_DISAGREE, f"The files of '{db}' contradict each other: {what}. {remedy}", target=db)
