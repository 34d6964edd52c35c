"""The CDM as data: its tables, its vocabulary, concept sets."""
