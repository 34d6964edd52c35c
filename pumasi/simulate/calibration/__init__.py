"""Whether simulated lives look like the published ones: targets, and how far we are from them."""
