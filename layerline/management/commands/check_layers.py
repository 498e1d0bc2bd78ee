import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from layerline.contract import command


class Command(BaseCommand):
    help = "Check the layers of every slice; docs/contract.md tells of each rule."
    # Reads files only.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        command.add_arguments(parser)

    def handle(self, **options: Any) -> None:
        code = command.run(options, out=self.stdout, err=self.stderr)
        if code:
            sys.exit(code)
