"""Programs that a hospital's node finds before those of Flower."""
