"""The Flower apps: messages to and from pumasi.federation, nothing else."""
