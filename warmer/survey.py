"""What storage says about a task, read and checked before anything on the node changes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import md5
from typing import NamedTuple

from shared.agent.report import Reason
from shared.blastdb.blobs import alias_blob, files_prefix, manifest_blob, shard_name, statistics_file
from shared.blastdb.extensions import is_shared
from shared.blastdb.generations import digest_of
from shared.blastdb.index_heads import INDEX_HEAD_BYTES, index_head
from shared.blastdb.listings import ListedBlob, listed_files
from shared.blastdb.reading import read_with
from shared.blastdb.statistics import VolumeTotals, add_up, parse_statistics_file
from shared.blastdb.volumes import INDEX_EXTENSION, Inventory, VolumeSet, take_inventory
from shared.errors import Code, ShardwarmError
from warmer.agreement import Totals, check_alias, check_apart, parse_alias, volumes_of
from warmer.assignment import Task
from warmer.failures import WarmFailure
from warmer.plan import Wanted, plan_files
from warmer.storage import Storage

_AT_ONCE = 16
_INCOMPLETE = frozenset({Code.DATABASE_NOT_FOUND, Code.NO_VOLUMES, Code.VOLUME_GAP, Code.MISSING_DATABASE_FILE})


class Survey(NamedTuple):
    """All of it agrees. `taxonomy` is what this database brings of the files that databases share."""

    wanted: tuple[Wanted, ...]
    aliases: tuple[Wanted, ...]
    alias_texts: dict[str, bytes]
    taxonomy: tuple[ListedBlob, ...]
    totals: Totals | None


def survey(storage: Storage, task: Task, known_totals: Totals | None) -> Survey:
    """Look at the database and at the task's shards of it.

    Args:
        storage: the container.
        task: with at least one shard.
        known_totals: of the task's generation, if they were read before.

    Raises:
        WarmFailure: something is missing, or does not agree with the assignment.
    """
    blobs = storage.list(files_prefix(task.db))
    inventory = _inventory(task, blobs)

    def manifest(shard: int) -> bytes:
        return storage.read(manifest_blob(task.db, task.shard_count, shard))

    def alias_name(shard: int) -> str:
        return alias_blob(task.db, task.shard_count, shard, task.molecule)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        taxonomy = pool.submit(storage.list, f"{task.db}/tax")
        manifests = pool.map(manifest, task.shards)
        aliases = pool.map(storage.read, map(alias_name, task.shards))
        shards = {shard: volumes_of(inventory.volumes, shard, text) for shard, text in zip(task.shards, manifests, strict=True)}
        check_apart(shards)
        totals = known_totals or _totals(storage, inventory.volumes, blobs)
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
            taxonomy=tuple(blob for blob in taxonomy.result() if is_shared(blob.leaf) and blob.name == f"{task.db}/{blob.leaf}"),
            totals=totals,
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
        message = f"'{task.db}' in storage is of generation {digest}, the assignment of {task.digest}. Warm it up again."
        raise WarmFailure(Reason.GENERATION_MISMATCH, message)
    return inventory


def _totals(storage: Storage, volumes: VolumeSet, blobs: list[ListedBlob]) -> Totals | None:
    """The database's totals as whoever wrote the aliases read them: from its statistics file, else from the volumes."""
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
        # An index that is not listed is asked for all the same: storage then says that it is missing.
        reading = index_head(sizes.get(name, INDEX_HEAD_BYTES))
        head = read_with(reading, lambda span: storage.read_span(name, span))
        return head.totals if head is not None and head.molecule == volumes.molecule else None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        counted = add_up(pool.map(count, volumes.names(0, volumes.count)))
    return Totals(counted.sequences, counted.letters) if counted else None
