"""Production without the toolkit."""

from config.settings.production import *  # noqa: F403  # settings modules stack

INSTALLED_APPS.remove("layerline")  # noqa: F405  # from production
