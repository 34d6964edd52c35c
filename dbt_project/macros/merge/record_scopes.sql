{#
    The scopes within which records of several deliveries are compared: the
    label, then the received entities that share the scope. Results are compared
    across measurements and observations, because a correction can move a result
    from one to the other.
-#}
{% macro record_scopes() -%}
    {%- set scopes = [
        ('persons', ['persons']),
        ('visits', ['visits']),
        ('events', ['conditions']),
        ('events', ['drugs']),
        ('events', ['procedures']),
        ('events', ['measurements', 'observations']),
        ('events', ['devices']),
        ('events', ['specimens']),
        ('deaths', ['deaths']),
        ('observation_periods', ['observation_periods']),
    ] -%}
    {%- for entity in record_tables() -%}
        {%- do scopes.append((entity, [entity])) -%}
    {%- endfor -%}
    {{ return(scopes) }}
{%- endmacro %}
