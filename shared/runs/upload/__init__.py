"""Uploads: the events that tell of them, and the state of the entity that collects these."""
