"""A model whose code cannot be loaded."""

import no_such_library  # noqa: F401
