"""How files come in: uploads, archives, runs and allowed folders, staged and then registered."""
