{#
    What a source row says, wherever it stands: hash of all of its columns but its
    place and, of those named `beside`, its version. Computed only where it is
    selected. DuckDB only, as all readers are.
-#}
{% macro content_hash(relation='source', beside=[]) -%}
    {%- set excluded = ['delivery_id', 'file_no', 'line_no'] + beside -%}
    md5(
        cast(
            row(
                *columns(
                    {{ relation }}.* exclude ({{ excluded | join(', ') }})
                )
            ) as varchar
        )
    )
{%- endmacro %}
