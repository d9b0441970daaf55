"""Copies from NCBI's bucket into storage: the copy plan, the lanes that copy, and the verification."""
