"""Uploads: the storage events, and the state of the entity that collects them."""
