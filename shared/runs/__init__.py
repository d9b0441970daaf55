"""Runs as values, one package a capability: shard, prepare, upload, warmup, reconcile; the core beside them. Pure."""
