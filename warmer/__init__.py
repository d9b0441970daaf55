"""The node agent: brings a node's shards of one database onto its disk and into its memory, and says truthfully how far it is.

One process per node and database, started by a DaemonSet as `python -m warmer`; `python -m warmer.ready` is its probe. It is
a program of threads and blocking calls: hashing, TLS, disk and socket calls all release the interpreter's lock, so threads
use every core, and a slow disk never holds up a report. Nothing is imported here: the probe must start fast.
"""
