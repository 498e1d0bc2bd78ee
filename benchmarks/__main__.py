"""`python -m benchmarks NAME …` runs one of them, with the services' addresses in the environment."""

import runpy
import sys
from pathlib import Path
from typing import Final

NAMES: Final = sorted(main.parent.name for main in Path(__file__).parent.glob("*/__main__.py"))


def main() -> None:
    if len(sys.argv) == 1 or sys.argv[1] not in NAMES:
        raise SystemExit(f"Which one? {', '.join(NAMES)}. `NAME --help` tells what it takes.")
    name = sys.argv.pop(1)
    runpy.run_module(f"benchmarks.{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
