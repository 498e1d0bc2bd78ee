"""What Python imports first where this folder is on its path: the package that WITHOUT names is not installed.

Processes that a test starts are without it, too.
"""

import os
import sys

sys.modules[os.environ["WITHOUT"]] = None  # type: ignore[assignment]  # how Python itself marks what cannot be imported
