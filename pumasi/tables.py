"""How a table comes onto the terminal: every text as it is."""

from rich.console import Console
from rich.table import Table


def print_table(table: Table) -> None:
    """Print a table. Names are a hospital's own: what stands in brackets is no style."""
    Console(markup=False, emoji=False).print(table)
