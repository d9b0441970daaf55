"""HTTP: request to model, outcome to response. Only `adapter` knows Azure Functions; the rest is values and ports."""
