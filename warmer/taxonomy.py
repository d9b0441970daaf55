"""Taxonomy files, which several databases bring under one name. Agents take turns; the newest files stay (`plan_taxonomy`)."""

from collections.abc import Iterable
from threading import Event

from shared.blastdb.listings import ListedBlob
from warmer.checking import is_intact, verified
from warmer.node_folder import FileRecord, NodeFolder, TaxonomyRecord
from warmer.partial import Partial
from warmer.plan import plan_taxonomy


def compare(node_folder: NodeFolder, brought: Iterable[ListedBlob], stop: Event) -> list[ListedBlob]:
    """The taxonomy files of this database that the node lacks, or that are newer than the node's.

    It only records a file whose content is already on the node.
    """
    brought = list(brought)
    with node_folder.shared_lock():
        known = node_folder.taxonomy()
        held = {leaf: record for leaf, record in known.files.items() if is_intact(node_folder.path, [(leaf, record.file)])}
        missing: list[ListedBlob] = []
        for wanted in plan_taxonomy(brought, {leaf: record.modified for leaf, record in held.items()}):
            blob, old = wanted.blob, held.get(wanted.leaf)
            record = verified(node_folder.path / blob.leaf, blob, old.file if old else None, stop)
            if record is None:
                missing.append(blob)
            else:
                held[blob.leaf] = TaxonomyRecord(modified=blob.modified, file=record)
        if held != known.files:
            node_folder.save_taxonomy(known.model_copy(update={"files": held}))
    return missing


def install(node_folder: NodeFolder, partial: Partial, md5: str) -> None:
    """Give a downloaded file its name, unless another database's agent has installed a newer one in the meantime."""
    blob = partial.blob
    with node_folder.shared_lock():
        known = node_folder.taxonomy()
        other = known.files.get(blob.leaf)
        if other is not None and other.modified > blob.modified and is_intact(node_folder.path, [(blob.leaf, other.file)]):
            partial.drop()
            return
        record = TaxonomyRecord(modified=blob.modified, file=partial.install(node_folder.path / blob.leaf, md5))
        node_folder.save_taxonomy(known.model_copy(update={"files": {**known.files, blob.leaf: record}}))


def records(node_folder: NodeFolder, leaves: Iterable[str]) -> dict[str, FileRecord]:
    """The records of these files, from any database. Files without a record are left out."""
    files = node_folder.taxonomy().files
    return {leaf: files[leaf].file for leaf in leaves if leaf in files}


def release(node_folder: NodeFolder, leaves: Iterable[str]) -> int:
    """Remove the files among these that no database of this node uses; returns how many."""
    with node_folder.shared_lock():
        known = node_folder.taxonomy()
        used = {leaf for state in node_folder.states() for leaf in state.shared}
        unused = [leaf for leaf in leaves if leaf not in used and leaf in known.files]
        for leaf in unused:
            (node_folder.path / leaf).unlink(missing_ok=True)
        if unused:
            files = {leaf: record for leaf, record in known.files.items() if leaf not in unused}
            node_folder.save_taxonomy(known.model_copy(update={"files": files}))
    return len(unused)
