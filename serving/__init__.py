"""The data plane: the runtime inside every service, and the gateway in front. No Django."""

__version__ = "0.1.0"  # of Slipway; a runtime's folder knows no package metadata
