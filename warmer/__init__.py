"""The node agent: copies a node's shards of one database to its disk, reads them into memory, and reports its true progress.

A DaemonSet starts one process per node and database as `python -m warmer`; `python -m warmer.ready` is its probe. The agent
uses threads and blocking calls: hashing, TLS, disk and socket calls all release the interpreter's lock, so threads use every
core, and a slow disk never delays a report. This module imports nothing, because the probe must start fast.
"""
