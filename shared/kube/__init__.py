"""The only modules that speak to Kubernetes. Every call has a timeout; errors come out as ours."""
