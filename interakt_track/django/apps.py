"""The application: what Django does with it when it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.core import checks
from django.core.signals import setting_changed

from ._checks import check_settings
from ._configuration import CONFIGURATION, SETTING, configured

if TYPE_CHECKING:
    from typing import Any


class InteraktTrackConfig(AppConfig):
    """Gives the SDK what `INTERAKT_TRACK` says, when Django starts and when a test overrides it."""

    name = "interakt_track.django"
    label = "interakt_track"
    verbose_name = "Interakt Track"

    def ready(self) -> None:
        """Apply the settings, and have them checked; a wrong one is told by the check, and by the first call."""
        CONFIGURATION.apply(configured())
        setting_changed.connect(follow_setting, dispatch_uid=self.name)
        checks.register(check_settings)


def follow_setting(*, setting: str, **_: Any) -> None:
    """Apply the settings again when `INTERAKT_TRACK` is another, as within `override_settings`."""
    if setting == SETTING:
        CONFIGURATION.apply(configured())
