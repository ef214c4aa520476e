#!/usr/bin/env python
"""Command line of the studio: `manage.py up`, `demo`, `doctor`, `token`, `user` and Django's own."""

from config.cli import main

if __name__ == "__main__":
    main()
