"""BLAST databases as values: names, volumes, layouts, the texts of a shard. Pure: no IO, no clock, no SDK."""
