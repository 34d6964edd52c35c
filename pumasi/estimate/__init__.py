"""One estimator per file, each written once against Network."""
