"""Protocol, lock, diagnostics and result of a study."""
