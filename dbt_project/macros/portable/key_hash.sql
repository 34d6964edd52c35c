{#
    A 63-bit key of a list of expressions: the upper half of the md5 of their
    canonical text, so that every engine gives the same number. Parts are set
    apart by the unit separator and null is the record separator, which occur in
    no code and no date: ('ab', 'c') and ('a', 'bc') differ, and so do null and ''.
-#}
{% macro key_hash(expressions) -%}
    {%- set parts = [] -%}
    {%- for expression in expressions -%}
        {%- do parts.append(
            "coalesce(cast(" ~ expression ~ " as "
            ~ dbt.type_string() ~ "), chr(30))"
        ) -%}
    {%- endfor -%}
    {{ return(md5_as_key(
        parts | join(" || chr(31) || ")
    )) }}
{%- endmacro %}
