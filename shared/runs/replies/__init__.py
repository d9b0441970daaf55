"""The bodies of the API's replies: their models, and the views that build them from stored databases."""
