"""Starts the production settings again and again in one process: `python -m tests.config.production`, cases on stdin.

Reads a JSON list of environments, and writes a JSON list of what became of each: the sentence of the refusal and
the whole traceback, or null twice.
"""

import importlib
import json
import os
import sys
import traceback

from django.core.exceptions import ImproperlyConfigured

MODULES = ("config.settings.production", "config.settings.base")


def start(environment: dict[str, str]) -> tuple[str | None, str | None]:
    """Load the production settings anew under the environment."""
    os.environ.clear()
    os.environ.update(environment)
    for module in MODULES:
        sys.modules.pop(module, None)
    try:
        importlib.import_module(MODULES[0])
    except ImproperlyConfigured as error:
        return str(error), traceback.format_exc()
    return None, None


if __name__ == "__main__":
    sys.stdout.write(json.dumps([start(environment) for environment in json.load(sys.stdin)]))
