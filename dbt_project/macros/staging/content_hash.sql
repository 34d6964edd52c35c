{#
    What a source row says, wherever it stands: hash of all of its columns but its
    place. Computed only where it is selected. DuckDB only, as all readers are.
-#}
{% macro content_hash(relation='source') -%}
    md5(
        cast(
            row(
                *columns(
                    {{ relation }}.* exclude (delivery_id, file_no, line_no)
                )
            ) as varchar
        )
    )
{%- endmacro %}
