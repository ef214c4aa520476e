"""Formats of models: recognised from their files, wrapped where no code is needed."""
