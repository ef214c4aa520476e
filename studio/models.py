"""Tables of the studio app; each is written in the room that it belongs to."""

from studio.experiments.models import SavedView, Star

__all__ = ["SavedView", "Star"]
