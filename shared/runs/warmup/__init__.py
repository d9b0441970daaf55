"""Warmups: cluster facts, sizing, assignment, the status of nodes, progress, expiry; what travels between steps."""
