"""The local Kubernetes cluster itself. A package, so that it ends with its tests."""
