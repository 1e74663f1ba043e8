"""The `knead` command."""
