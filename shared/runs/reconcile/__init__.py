"""Reconcile passes: drift, the runs that repair it, the result; what travels between steps."""
