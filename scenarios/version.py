"""The version of Faultwire, by semver (docs/api.md says of what): said here, read by the wheel and by `--version`."""

from typing import Final

VERSION: Final = "1.0.0"
