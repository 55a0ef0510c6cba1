{#- A surrogate key over a platform and the id that platform gave. The platform's length goes in front:
    joined plainly, ('a', 'b-c') and ('a-b', 'c') would be one key. -#}
{% macro key(platform, id) -%}
    md5(cast(length({{ platform }}) as {{ dbt.type_string() }}) || ':' || {{ platform }} || ':' || {{ id }})
{%- endmacro %}
