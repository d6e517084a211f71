"""The version of the tables that this program reads and writes: the newest revision in `migrations`."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0001"
