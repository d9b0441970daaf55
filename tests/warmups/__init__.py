"""Warmups, on the local cluster. A package, so that the cluster ends with its tests."""
