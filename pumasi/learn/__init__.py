"""Learning problems: cohort, index date, features, outcome, model, and how well it does.

A task takes the tables that somebody opened for it; it opens no release itself.
"""
