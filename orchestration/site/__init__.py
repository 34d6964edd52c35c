"""What runs inside a hospital: extract, transform, quality, release, training, automation."""
