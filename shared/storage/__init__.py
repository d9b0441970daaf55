"""Clients of Azure Blob Storage; no other module calls it. They translate its errors and write only on conditions (ETags)."""
