"""What the app is made of below its orchestrators and activities; docs/architecture.md draws the layers."""
