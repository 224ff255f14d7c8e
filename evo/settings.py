"""The base class of the settings of evolution and experiments."""

from typing import ClassVar

import cnn.settings
from evo.errors import SettingsError


class Settings(cnn.settings.Settings, frozen=True, extra="forbid"):
    """Settings whose errors are a :class:`SettingsError`."""

    error_type: ClassVar[type[Exception]] = SettingsError
