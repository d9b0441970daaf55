"""Shard runs: what travels between their steps, and what came of them."""
