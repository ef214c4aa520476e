"""Tables of the studio app; each is written in the room that it belongs to."""

from studio.comparing.models import BestChoice, Board, Pin
from studio.experiments.models import SavedView, Star

__all__ = ["BestChoice", "Board", "Pin", "SavedView", "Star"]
