#!/usr/bin/env python
"""Command line of the studio: up, demo, doctor, token, user, upgrade; and Django's own."""

from config.cli import main

if __name__ == "__main__":
    main()
