"""Taxonomy files, which several databases bring under one name: agents take turns, the newest files stay (`plan_taxonomy`)."""

from collections.abc import Iterable
from threading import Event

from shared.blastdb.listings import ListedBlob
from warmer.checking import is_intact, verified
from warmer.node_folder import FileRecord, NodeFolder, TaxonomyRecord
from warmer.partial import Partial
from warmer.plan import plan_taxonomy


def compare(node_folder: NodeFolder, brought: Iterable[ListedBlob], stop: Event) -> list[ListedBlob]:
    """Those of the files that this database brings which are newer than what the node holds, or which it does not hold.

    A file with the same content on the node is only recorded.
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
    """Give a downloaded file its name, unless the agent of another database has brought a newer one meanwhile."""
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
    """The records of these files, of whichever database they come; a file without a record is left out."""
    files = node_folder.taxonomy().files
    return {leaf: files[leaf].file for leaf in leaves if leaf in files}


def release(node_folder: NodeFolder, leaves: Iterable[str]) -> int:
    """Remove those of these files that no database of this node uses; returns how many."""
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
