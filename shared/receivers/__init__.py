"""Receivers of callbacks: untrusted servers on the network."""
