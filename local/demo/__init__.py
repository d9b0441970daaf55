"""The main job on one machine: shard two real databases through the HTTP API and prove that no search result changed."""
