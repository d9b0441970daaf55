"""Receivers of callbacks: strangers on the network, spoken to with care."""
