{#- A 64-bit number for a platform and an id, to look ids up by. Not a key: two ids may share one. -#}
{% macro id_hash(platform, id) -%}
    {{ return(adapter.dispatch('id_hash', 'voice_ai_analytics')(platform, id)) }}
{%- endmacro %}

{% macro default__id_hash(platform, id) -%}
    hashtextextended({{ platform }} || chr(31) || {{ id }}, 0)
{%- endmacro %}

{% macro duckdb__id_hash(platform, id) -%} hash({{ platform }}, {{ id }}) {%- endmacro %}


{#- Text that changes when id_hash may give other numbers than before. -#}
{% macro id_hash_version() -%}
    {{ return(adapter.dispatch('id_hash_version', 'voice_ai_analytics')()) }}
{%- endmacro %}

{% macro default__id_hash_version() -%} '' {%- endmacro %}

{% macro duckdb__id_hash_version() -%} version() {%- endmacro %}
