"""Deepfake video detection that shows why, and says what a score is worth."""

__version__ = "0.1.0"
