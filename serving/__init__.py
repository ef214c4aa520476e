"""The data plane: the runtime inside every service, and the gateway in front. No Django."""
