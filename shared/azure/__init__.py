"""Clients of Azure's control plane: credentials, the durable task hub, and AKS clusters through ARM."""
