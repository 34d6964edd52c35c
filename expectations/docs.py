"""Data Docs: Great Expectations' own pages on a candidate, for who knows them from elsewhere.

They are made when asked for, from the same suites as the outcomes, and hold counts only. The pages
fetch their style from a server of Great Expectations' choice: where there is none they are plain.
Nothing is fetched while they are made.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from expectations.run import quiet
from expectations.views import make_views


def write_docs(
    candidate: Path, vocabulary: Path, folder: Path, progress: Callable[[str], None]
) -> Path:
    """Write Data Docs on the candidate into `folder`, in the place of what is there.

    Returns the page to begin with. `progress` is called with the name of each table. Raises
    ReleaseError when a table of the candidate is missing.
    """
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    from expectations.checks import catalogue_expectations
    from expectations.duckdb import repair
    from expectations.suites import SUITES

    repair()
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as work, quiet():
        database = Path(work) / "candidate.duckdb"
        today = make_views(database, candidate, vocabulary, SUITES)
        context = gx.get_context(mode="file", project_root_dir=work)
        context.enable_analytics(False)
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        _publish_to(context, folder)
        source = context.data_sources.add_sql(
            "candidate",
            connection_string=f"duckdb:///{database}",
            kwargs={"connect_args": {"read_only": True}},  # type: ignore[call-arg] # not in its stub
        )
        for table, rules in SUITES.items():
            progress(table)
            expected = [*rules().expectations, *catalogue_expectations(table, today)]
            suite = context.suites.add(gx.ExpectationSuite(table, expectations=expected))
            asset = source.add_table_asset(table, table_name=table)
            batches = asset.add_batch_definition_whole_table("all")
            validation = context.validation_definitions.add(
                gx.ValidationDefinition(name=table, data=batches, suite=suite)
            )
            validation.run(result_format="BASIC")
        context.build_data_docs()
    return folder / "index.html"


def _publish_to(context: object, folder: Path) -> None:
    """Make the folder the only place where the context writes pages."""
    for name in context.get_site_names():  # type: ignore[attr-defined]
        context.delete_data_docs_site(name)  # type: ignore[attr-defined]
    context.add_data_docs_site(  # type: ignore[attr-defined]
        "pumasi",
        {
            "class_name": "SiteBuilder",
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": str(folder),
            },
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
