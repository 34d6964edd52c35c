"""Pumasi: real-world evidence across hospitals whose rows never cross the border."""
