"""The whole stack on one machine: Functions host, storage, cluster and demo."""
