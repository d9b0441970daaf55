"""BLAST databases as values: names, volumes, layouts, and a shard's manifest and alias. Pure: no IO, no clock, no SDK."""
