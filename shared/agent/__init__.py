"""The contract between the app and the node agents: the assignment that goes out and the report that comes back."""
