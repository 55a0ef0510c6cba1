{#- Surrogate key of a session or a turn. It includes the length of every id but the last: with colons alone, ('a',
    'b:c') and ('a:b', 'c') would have the same key. -#}
{% macro key(platform, session_id, turn_id=none) -%}
    {%- set text = dbt.type_string() -%}
    md5(
        cast(length({{ platform }}) as {{ text }}) || ':' || {{ platform }} || ':'
        {%- if turn_id %} || cast(length({{ session_id }}) as {{ text }}) || ':'{% endif %} || {{ session_id }}
        {%- if turn_id %} || ':' || {{ turn_id }}{% endif %}
    )
{%- endmacro %}
