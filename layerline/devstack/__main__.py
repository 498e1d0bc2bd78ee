"""`python -m layerline.devstack COMMAND`."""

import sys

from layerline.devstack.commands import main

if __name__ == "__main__":
    sys.exit(main())
