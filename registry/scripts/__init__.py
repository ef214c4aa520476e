"""Entry scripts and their source folders: checked by parsing, templates, v1 files."""
