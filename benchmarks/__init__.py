"""What `make bench` runs: seconds and peak memory of every step of a build, beside the floor.

The steps are Dagster's own, each in a process of its own; nothing of the pipeline is written a
second time here. No time is asserted anywhere: tables are printed and kept.
"""
