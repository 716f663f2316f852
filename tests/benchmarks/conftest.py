"""The pipelines' small prepared data set, measured here too."""

from tests.pipelines.conftest import prepared

__all__ = ["prepared"]
