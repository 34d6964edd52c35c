{#
    What the merge of deliveries decided on a row: its decision in
    int_record_versions where the record came more than once, else by the
    delivery alone: a record that the latest full delivery no longer holds is
    withdrawn. The aliases are those of the two joined models.
-#}
{% macro merge_fate(versions='versions', deliveries='deliveries') -%}
    coalesce(
        {{ versions }}.merge_fate,
        case
            when {{ deliveries }}.is_before_latest_full then 'withdrawn'
            else 'current'
        end
    )
{%- endmacro %}
