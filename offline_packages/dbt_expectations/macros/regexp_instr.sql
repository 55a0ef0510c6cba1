{% macro regexp_instr(source_value, regexp, position=1, occurrence=1, is_raw=false, flags='') %}
    {{ return(adapter.dispatch('regexp_instr', 'dbt_expectations')(
        source_value, regexp, position, occurrence, is_raw, flags
    )) }}
{% endmacro %}

{# Both engines read string literals raw. Tells only whether there is a match, not where. #}
{% macro duckdb__regexp_instr(source_value, regexp, position, occurrence, is_raw, flags) %}
    cast(regexp_matches({{ source_value }}, '{{ regexp }}', '{{ flags }}') as integer)
{% endmacro %}

{# As in the real package, null counts as no match on PostgreSQL, but as unknown on DuckDB. #}
{% macro postgres__regexp_instr(source_value, regexp, position, occurrence, is_raw, flags) %}
    coalesce(regexp_instr(
        {{ source_value }}, '{{ regexp }}', {{ position }}, {{ occurrence }}, 0, '{{ flags }}'
    ), 0)
{% endmacro %}
