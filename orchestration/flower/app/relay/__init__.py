"""The relay: what runs inside Flower. It imports nothing of Pumasi and may touch nothing of it."""
