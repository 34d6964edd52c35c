"""Releases: the only door to a hospital's tables.

A build is written as a candidate, checked, and sealed as an immutable release, open or closed.
Whoever reads a release opens it through the gate, and what is read is verified against the seal.
"""

from pumasi.release.candidate import Candidate, read_candidate, write_candidate
from pumasi.release.content import TableContent, table_content
from pumasi.release.identity import SCHEMA_VERSION, transformation_hash, vocabulary_hash
from pumasi.release.open import (
    ask_gate,
    last_characterised,
    latest_release,
    open_release,
    verify_release,
)
from pumasi.release.records import Manifest, Provenance, Seal, TableEntry
from pumasi.release.release import Release
from pumasi.release.seal import close_unsealed, seal, seal_broken

__all__ = [
    "SCHEMA_VERSION",
    "Candidate",
    "Manifest",
    "Provenance",
    "Release",
    "Seal",
    "TableContent",
    "TableEntry",
    "ask_gate",
    "close_unsealed",
    "last_characterised",
    "latest_release",
    "open_release",
    "read_candidate",
    "seal",
    "seal_broken",
    "table_content",
    "transformation_hash",
    "verify_release",
    "vocabulary_hash",
    "write_candidate",
]
