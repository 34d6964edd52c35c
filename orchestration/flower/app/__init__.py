"""The folder that Flower makes its bundle of; `relay` is all that is in it."""
