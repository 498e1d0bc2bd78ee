"""A plugin for pytest: the package that WITHOUT names is not installed."""

import os
import sys

sys.modules[os.environ["WITHOUT"]] = None  # type: ignore[assignment]  # how Python itself marks what cannot be imported
