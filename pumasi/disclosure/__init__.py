"""What may leave a hospital: airlock, approvals, audit log, privacy ledger (hospital side)."""
