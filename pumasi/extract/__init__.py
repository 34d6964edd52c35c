"""From a hospital's files to typed, pseudonymised parquet: discover, pull, read.

`discover` lists the deliveries that lie in the source folder, `pull` identifies one by its content
and writes its manifest, `read` turns it into raw tables. Nothing here knows what a table is for.
"""

from pumasi.extract.discover import DeliveryFolder, discover
from pumasi.extract.manifest import Manifest
from pumasi.extract.pull import pull
from pumasi.extract.read import ReadReport, read
from pumasi.extract.vocabulary import read_vocabulary
from pumasi.extract.vocabulary_diff import Difference, vocabulary_diff

__all__ = [
    "DeliveryFolder",
    "Difference",
    "Manifest",
    "ReadReport",
    "discover",
    "pull",
    "read",
    "read_vocabulary",
    "vocabulary_diff",
]
