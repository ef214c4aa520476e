"""Entry point of `manage.py` and of the installed `slipway` command."""

import os
import sys

from config.env import SettingError


def main() -> None:
    """Run a management command; a setting that cannot be used is one sentence and exit code 1."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line  # after the settings are named

    try:
        execute_from_command_line(sys.argv)
    except (SettingError, PermissionError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
