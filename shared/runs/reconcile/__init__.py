"""Reconcile passes as values: the detection of drift, the payloads between steps, the child runs that repair, and the result."""
