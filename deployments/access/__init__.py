"""Who may call a service: keys, tokens and secrets."""
