import sys

from layerline.contract.command import main

sys.exit(main())
