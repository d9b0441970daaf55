"""HTTP routes: requests become models, and outcomes become replies. Only `adapter` knows Azure Functions."""
