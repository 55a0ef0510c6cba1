{% macro regexp_instr(source_value, regexp, position=1, occurrence=1, is_raw=false, flags='') %}
    {{ return(adapter.dispatch('regexp_instr', 'dbt_expectations')(
        source_value, regexp, position, occurrence, is_raw, flags
    )) }}
{% endmacro %}

{# Both engines read every string literal raw. Only "found or not" is promised, not where. #}
{% macro duckdb__regexp_instr(source_value, regexp, position, occurrence, is_raw, flags) %}
    cast(regexp_matches({{ source_value }}, '{{ regexp }}', '{{ flags }}') as integer)
{% endmacro %}

{# The real package counts a null as "not found" here, on DuckDB as "not known". #}
{% macro postgres__regexp_instr(source_value, regexp, position, occurrence, is_raw, flags) %}
    coalesce(regexp_instr(
        {{ source_value }}, '{{ regexp }}', {{ position }}, {{ occurrence }}, 0, '{{ flags }}'
    ), 0)
{% endmacro %}
