"""Data Docs of a hospital's candidate: `python -m expectations <site>` (`pumasi quality docs`)."""

import sys
from collections.abc import Sequence

from expectations.docs import write_docs
from pumasi.config import SitePaths, get_site
from pumasi.errors import PumasiError
from pumasi.release.candidate import read_candidate


def main(arguments: Sequence[str]) -> int:
    """Write the pages and print where they are; the exit code is 0 when they are there."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m expectations <site>\n")
        return 2
    try:
        paths = SitePaths.of(get_site(arguments[0]).id)
        candidate = read_candidate(paths)
        page = write_docs(candidate.folder, paths.vocabulary, paths.data_docs, _say)
    except PumasiError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    sys.stdout.write(f"written: {page}\n")
    return 0


def _say(table: str) -> None:
    sys.stdout.write(f"{table}\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
