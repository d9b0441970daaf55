"""Clients of Azure's control side: credentials and the durable task hub. Cluster facts join them with the warmup."""
