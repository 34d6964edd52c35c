"""From a hospital's files to typed, pseudonymised parquet: fetch, discover, pull, read.

With a connector, `fetch` lands a delivery and `clear` removes its files once they are read.
`discover` lists the deliveries that lie in the source folder or were landed, `pull` identifies one
by its content and writes its manifest, `read` turns it into raw tables. Nothing here knows what a
table is for.
"""

from pumasi.extract.connectors import Landed, clear, fetch, preview, read_as
from pumasi.extract.discover import DeliveryFolder, discover
from pumasi.extract.manifest import Manifest
from pumasi.extract.pull import pull
from pumasi.extract.read import ReadReport, read
from pumasi.extract.vocabulary import read_vocabulary
from pumasi.extract.vocabulary_diff import Difference, vocabulary_diff

__all__ = [
    "DeliveryFolder",
    "Difference",
    "Landed",
    "Manifest",
    "ReadReport",
    "clear",
    "discover",
    "fetch",
    "preview",
    "pull",
    "read",
    "read_as",
    "read_vocabulary",
    "vocabulary_diff",
]
