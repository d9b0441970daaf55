"""The files that several databases bring under one name: taken in turns, the newest kept. See `plan.plan_taxonomy`."""

from collections.abc import Iterable
from threading import Event

from shared.blastdb.listings import ListedBlob
from warmer.checking import is_intact, verified
from warmer.home import FileRecord, Home, TaxonomyRecord
from warmer.partial import Partial
from warmer.plan import plan_taxonomy


def compare(home: Home, brought: Iterable[ListedBlob], stop: Event) -> list[ListedBlob]:
    """Those of the files that this database brings which are newer than what the node holds, or which it does not hold.

    A file that is on the node with the same content is only noted down.
    """
    brought = list(brought)
    with home.shared():
        known = home.taxonomy()
        held = {leaf: record for leaf, record in known.files.items() if is_intact(home.folder, [(leaf, record.file)])}
        missing: list[ListedBlob] = []
        for wanted in plan_taxonomy(brought, {leaf: record.modified for leaf, record in held.items()}):
            blob, old = wanted.blob, held.get(wanted.leaf)
            record = verified(home.folder / blob.leaf, blob, old.file if old else None, stop)
            if record is None:
                missing.append(blob)
            else:
                held[blob.leaf] = TaxonomyRecord(modified=blob.modified, file=record)
        if held != known.files:
            home.save_taxonomy(known.model_copy(update={"files": held}))
    return missing


def install(home: Home, partial: Partial, md5: str) -> None:
    """Give a downloaded file its name, unless the agent of another database has brought a newer one meanwhile."""
    blob = partial.blob
    with home.shared():
        known = home.taxonomy()
        other = known.files.get(blob.leaf)
        if other is not None and other.modified > blob.modified and is_intact(home.folder, [(blob.leaf, other.file)]):
            partial.drop()
            return
        record = TaxonomyRecord(modified=blob.modified, file=partial.install(home.folder / blob.leaf, md5))
        home.save_taxonomy(known.model_copy(update={"files": {**known.files, blob.leaf: record}}))


def records(home: Home, leaves: Iterable[str]) -> dict[str, FileRecord]:
    """What these files are now, whoever brought them; one that nobody knows is left out."""
    files = home.taxonomy().files
    return {leaf: files[leaf].file for leaf in leaves if leaf in files}


def release(home: Home, leaves: Iterable[str]) -> int:
    """Remove those of these files that no database of this node uses; returns how many."""
    with home.shared():
        known = home.taxonomy()
        used = {leaf for state in home.states() for leaf in state.shared}
        unused = [leaf for leaf in leaves if leaf not in used and leaf in known.files]
        for leaf in unused:
            (home.folder / leaf).unlink(missing_ok=True)
        if unused:
            files = {leaf: record for leaf, record in known.files.items() if leaf not in unused}
            home.save_taxonomy(known.model_copy(update={"files": files}))
    return len(unused)
