"""What pages are filled with: forms, the Deploy page, examples and snippets."""
