"""Kubernetes clients. No other module speaks to Kubernetes. Every call has a timeout, and errors come out as ours."""
