{# The first sixteen hex digits of a text's md5, shifted right once: 0 .. 2^63 - 1. -#}
{% macro md5_as_key(text) -%}
    {{ return(adapter.dispatch('md5_as_key', 'pumasi')(text)) }}
{%- endmacro %}

{% macro default__md5_as_key(text) -%}
    cast((cast('0x' || substr(md5({{ text }}), 1, 16) as ubigint) >> 1) as bigint)
{%- endmacro %}

{% macro spark__md5_as_key(text) -%}
    cast(
        shiftrightunsigned(
            cast(conv(substr(md5({{ text }}), 1, 16), 16, -10) as bigint), 1
        ) as bigint
    )
{%- endmacro %}
