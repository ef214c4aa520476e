"""The pages of one run: its metrics, parameters, images, artifacts, tags and notes."""
