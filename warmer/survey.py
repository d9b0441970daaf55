"""Survey of a task: check the files that storage holds for it before the node changes, and compare them with the node's."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import md5
from typing import NamedTuple

from shared.agent.report import Reason
from shared.blastdb.blobs import (
    alias_blob,
    files_prefix,
    layout_prefix,
    manifest_blob,
    parse_layout_blob,
    shard_name,
    statistics_file,
    taxonomy_prefix,
)
from shared.blastdb.extensions import is_shared
from shared.blastdb.generations import digest_of, digest_of_texts
from shared.blastdb.index_heads import INDEX_HEAD_BYTES, index_head
from shared.blastdb.listings import ListedBlob, listed_files
from shared.blastdb.reading import read_with
from shared.blastdb.statistics import VolumeTotals, add_up, parse_statistics_file
from shared.blastdb.volumes import INDEX_EXTENSION, Inventory, VolumeSet, take_inventory
from shared.errors import Code, ShardwarmError
from warmer import taxonomy
from warmer.agreement import Totals, check_alias, check_apart, parse_alias, volumes_of
from warmer.assignment import Task
from warmer.checking import verified
from warmer.context import Context
from warmer.failures import WarmFailure
from warmer.node_folder import FileRecord, State
from warmer.plan import Wanted, plan_files
from warmer.progress import Entry
from warmer.storage import Storage

_AT_ONCE = 16
_INCOMPLETE = frozenset({Code.DATABASE_NOT_FOUND, Code.NO_VOLUMES, Code.VOLUME_GAP, Code.MISSING_DATABASE_FILE})


class Survey(NamedTuple):
    """The files that a task needs. They agree with each other. `taxonomy` has the database's copies of shared files."""

    wanted: tuple[Wanted, ...]
    aliases: tuple[Wanted, ...]
    alias_texts: dict[str, bytes]
    taxonomy: tuple[ListedBlob, ...]
    totals: Totals | None


class Comparison(NamedTuple):
    """The outcome of `compare`: records of the correct files, blobs to copy (`missing`), and aliases to write."""

    records: dict[str, FileRecord]
    missing: list[ListedBlob]
    aliases: dict[str, ListedBlob]


def survey(storage: Storage, task: Task, known_totals: Totals | None) -> Survey:
    """Survey storage: read and check the database's listing, and the manifests and aliases of the task's shards.

    Args:
        storage: the container.
        task: has at least one shard.
        known_totals: the totals of the task's generation, if an earlier survey read them.

    Raises:
        WarmFailure: a file is missing or does not agree with the assignment, or storage stayed out of reach.
    """
    blobs = storage.list(files_prefix(task.db))
    inventory = _inventory(task, blobs)

    def manifest(shard: int) -> bytes:
        return storage.read(manifest_blob(task.db, task.shard_count, shard))

    def alias_name(shard: int) -> str:
        return alias_blob(task.db, task.shard_count, shard, task.molecule)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        brought = pool.submit(storage.list, taxonomy_prefix(task.db))
        listed = pool.submit(storage.list, layout_prefix(task.db, task.shard_count)) if task.texts else None
        manifests = pool.map(manifest, task.shards)
        aliases = pool.map(storage.read, map(alias_name, task.shards))
        shards = {shard: volumes_of(inventory.volumes, shard, text) for shard, text in zip(task.shards, manifests, strict=True)}
        check_apart(shards)
        totals = known_totals or _totals(storage, inventory.volumes, blobs)
        if listed is not None:
            _refuse_other_texts(task, listed.result())
        texts: dict[str, bytes] = {}
        wanted: list[Wanted] = []
        for shard, text in zip(task.shards, aliases, strict=True):
            check_alias(task.db, shard, shards[shard], parse_alias(shard_name(task.db, shard), text), totals)
            wanted.append(Wanted(_blob_of(alias_name(shard), text), shard))
            texts[wanted[-1].leaf] = text
        return Survey(
            wanted=tuple(plan_files(task.db, task.molecule, shards, blobs)),
            aliases=tuple(wanted),
            alias_texts=texts,
            taxonomy=tuple(blob for blob in brought.result() if is_shared(blob.leaf) and blob.name == f"{task.db}/{blob.leaf}"),
            totals=totals,
        )


def compare(found: Survey, state: State, context: Context) -> Comparison:
    """Compare every file of the survey with the node's folder, and report progress. Untouched files are not read again.

    Raises:
        Stopped: the work is no longer wanted.
    """
    node_folder, progress = context.node_folder, context.progress
    missing_taxonomy = taxonomy.compare(node_folder, found.taxonomy, context.stop)
    progress.expect(
        {wanted.leaf: Entry(wanted.shard, wanted.blob.size_bytes) for wanted in (*found.wanted, *found.aliases)}
        | {blob.leaf: Entry(None, blob.size_bytes) for blob in found.taxonomy}
    )
    records: dict[str, FileRecord] = {}
    wrong: list[ListedBlob] = []
    for wanted in (*found.wanted, *found.aliases):
        record = verified(node_folder.path / wanted.leaf, wanted.blob, state.verified.get(wanted.leaf), context.stop)
        if record is None:
            wrong.append(wanted.blob)
        else:
            records[wanted.leaf] = record
            progress.verified(wanted.leaf)
    missing_leaves = {blob.leaf for blob in missing_taxonomy}
    for leaf, record in taxonomy.records(node_folder, (blob.leaf for blob in found.taxonomy)).items():
        if leaf not in missing_leaves:
            # The file may come from another database: newer, and of another size.
            progress.verified(leaf, record.size_bytes)
    aliases = {wanted.leaf for wanted in found.aliases}
    return Comparison(
        records=records,
        missing=[blob for blob in wrong if blob.leaf not in aliases] + missing_taxonomy,
        aliases={blob.leaf: blob for blob in wrong if blob.leaf in aliases},
    )


def _blob_of(name: str, text: bytes) -> ListedBlob:
    digest = md5(text, usedforsecurity=False).hexdigest()
    return ListedBlob(name, len(text), digest, digest, datetime.fromtimestamp(0, UTC), {})


def _inventory(task: Task, blobs: list[ListedBlob]) -> Inventory:
    try:
        inventory = take_inventory(task.db, listed_files(task.db, blobs))
    except ShardwarmError as error:
        reason = Reason.MISSING_FILE if error.problem.code in _INCOMPLETE else Reason.GENERATION_MISMATCH
        raise WarmFailure(reason, error.problem.message) from error
    digest = digest_of(inventory.files)
    if digest != task.digest or inventory.volumes.molecule != task.molecule:
        message = f"'{task.db}' in storage has generation {digest}, the assignment has {task.digest}. Warm it up again."
        raise WarmFailure(Reason.GENERATION_MISMATCH, message)
    return inventory


def _refuse_other_texts(task: Task, blobs: list[ListedBlob]) -> None:
    """Refuse the set's manifests and aliases when they are not those of the assignment.

    Agents that read them at different times would otherwise hold different cuts under one name.
    """
    texts = {blob.name: blob.md5 for blob in blobs if parse_layout_blob(task.db, blob.name)}
    if digest_of_texts(texts) != task.texts:
        message = f"The manifests and aliases of '{task.db}' for N = {task.shard_count} are not those of the assignment. "
        raise WarmFailure(Reason.TEXTS_MISMATCH, f"{message}Warm it up again.")


def _totals(storage: Storage, volumes: VolumeSet, blobs: list[ListedBlob]) -> Totals | None:
    """The database's totals, read as the app reads them for aliases: from the statistics file, else from the volumes."""
    name = statistics_file(volumes.db, volumes.molecule)
    if any(blob.name == name for blob in blobs):
        try:
            told = parse_statistics_file(volumes.db, storage.read(name)).statistics()
        except ShardwarmError as error:
            raise WarmFailure(Reason.GENERATION_MISMATCH, error.problem.message) from error
        if told is not None:
            return Totals(told.sequences, told.letters)
    sizes = {blob.name: blob.size_bytes for blob in blobs}

    def count(volume: str) -> VolumeTotals | None:
        name = f"{volumes.db}/{volume}.{INDEX_EXTENSION[volumes.molecule]}"
        # The agent asks even for an index that is not listed: storage then reports it as missing.
        reading = index_head(sizes.get(name, INDEX_HEAD_BYTES))
        head = read_with(reading, lambda span: storage.read_span(name, span))
        return head.totals if head is not None and head.molecule == volumes.molecule else None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        counted = add_up(pool.map(count, volumes.names(0, volumes.count)))
    return Totals(counted.sequences, counted.letters) if counted else None
