"""The seeded-faults benchmark: faults put into the extracts of simulated hospitals, one by one.

`faults.toml` says what is done to which file, which check names the fault and from which size on;
`python -m benchmarks.quality` shows what was found, and what is found where nothing is wrong.
"""
