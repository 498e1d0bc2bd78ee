#!/usr/bin/env python
"""Django's command line, with a plain sentence instead of a traceback when a setting is wrong."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    """Run the command that the arguments name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"error: {error}\n`make manage ARGS=…` runs the same command with PostgreSQL and Valkey provided.")


if __name__ == "__main__":
    main()
