"""The reasons for which a pass repairs or reports a database."""

from typing import Literal

type DriftReason = Literal[
    "mark",
    "copy",
    "promotion",
    "never",
    "stale",
    "missing",
    "damaged",
    "orphans",
    "metadata",
    "headers",
    "refused",
    "failed",
    "settling",
    "gone",
    "misplaced",
    "legacy",
]
"""Why a database has drifted.

`mark`, `copy` and `promotion`: the metadata says that work is under way; a promotion without a repair is lost. `never`: no
run has sharded it. `stale`: its files have changed since it was sharded. `missing`, `damaged`, `orphans`: layout blobs are
absent, differ, or should not exist. `metadata`: the metadata is not true. `headers`: another program wrote the metadata
without headers, so that every listing has to read the blob. `refused`: it cannot be sharded as it stands. `failed`: its last
run failed a short while ago. `settling`: its upload's settle is waiting and will shard it. `gone`: there is metadata or a
layout, but no database. `misplaced`: a folder that is no database holds the files of one.
`legacy`: its sets are the replaced system's, and whole.
"""
