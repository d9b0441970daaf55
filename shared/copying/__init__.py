"""Copies from NCBI's bucket into storage: what to copy, the copying itself, and putting it in place."""
