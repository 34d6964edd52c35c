"""Faults in a running network of hospitals: what a run says when something under it breaks."""
