-- Without a source: see pumasi/omop/sources.py.
{{ no_rows() }}
