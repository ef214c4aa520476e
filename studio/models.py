"""Tables of the studio app; each room keeps its own beside what uses them."""

from studio.comparing.models import BestChoice as BestChoice
from studio.comparing.models import Board as Board
from studio.comparing.models import Pin as Pin
