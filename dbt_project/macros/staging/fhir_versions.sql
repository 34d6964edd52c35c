{# What of a resource is its version and not its content. -#}
{% macro fhir_version_columns() -%}
    {{ return(['updated_at', 'version_no']) }}
{%- endmacro %}

{#
    The version of a FHIR resource as text that sorts: when it was last updated,
    then its number. Null where the source says neither.
-#}
{% macro fhir_source_version(relation='source') -%}
    case
        when
            {{ relation }}.updated_at is not null
            or {{ relation }}.version_no is not null
            then
                coalesce(
                    strftime({{ relation }}.updated_at, '%Y-%m-%d %H:%M:%S'), ''
                )
                || ' '
                || coalesce(
                    lpad(cast({{ relation }}.version_no as varchar), 10, '0'), ''
                )
    end
{%- endmacro %}
