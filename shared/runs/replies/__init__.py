"""The API's reply models, and how stored databases are shown in them."""
