from django.apps import AppConfig
from django.core.checks import register


class StudioConfig(AppConfig):
    name = "studio"

    def ready(self) -> None:
        from studio.checks import assets_are_there

        register(assets_are_there)
