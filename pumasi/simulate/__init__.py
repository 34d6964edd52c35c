"""Synthetic hospitals whose truth is known. No pipeline code imports this package."""
