"""Dagster and Flower: what runs where and when. Only tests import it."""
