"""File names that two databases share: nodes keep the files of all databases in one folder, as the consumers want them. Pure.

`release` with twelve volumes has a file `release.10.nsq`, and so has the database `release.10` of one volume.
"""

from collections.abc import Iterable

from shared.errors import Code, Conflict


def suspects(db: str, files: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """Those of the other databases, by name, that can have a file of the same name as one of these; most have none."""
    leaves = tuple(files)
    return tuple(sorted({other for other in others if other != db and any(leaf.startswith(f"{other}.") for leaf in leaves)}))


def refuse_shared_names(db: str, files: Iterable[str], other: str, their_files: Iterable[str]) -> None:
    """Refuse a database that has a file of the same name as another one that is warm in the same cluster.

    Raises:
        Conflict: FileNameTaken; a retry helps once the other database is released.
    """
    shared = sorted(set(files) & set(their_files))
    if shared:
        raise Conflict(
            Code.FILE_NAME_TAKEN,
            f"{shared[0]} is a file of '{db}' and of '{other}', which is warm in this cluster. Nodes keep all files in one "
            f"folder: release '{other}' first, or rename one of the two.",
            target=db,
        )
