"""The main job on one machine: shard and warm two real databases by the HTTP API and prove that no search result changed."""
