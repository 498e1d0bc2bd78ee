"""The settings of `document_flows`, for a folder of a test."""

import os
from pathlib import Path

from config.settings.flows import *  # noqa: F403  # settings modules stack

LAYERLINE_FLOWS = Path(os.environ["FLOWS_FOLDER"])
# The database of the tests is gone when they end, and its name is the process's own.
DATABASES["default"]["TEST"]["NAME"] = os.environ["FLOWS_DATABASE"]  # noqa: F405  # from the settings of flows
