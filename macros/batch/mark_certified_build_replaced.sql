{#- Pre-hook of the fact, in the transaction that replaces its rows. From then until this build is certified, no row of
    voice_ai_builds describes the certified tables, so exports and the API refuse to read them. -#}
{% macro mark_certified_build_replaced() -%}
    {%- set builds = voice_ai_analytics.as_built('voice_ai_builds') -%}
    {%- if builds and voice_ai_analytics.is_replacing_rows()
        and 'replaced_at' in adapter.get_columns_in_relation(builds) | map(attribute='name') -%}
update {{ builds }} set replaced_at = {{ voice_ai_analytics.to_utc('current_timestamp') }} where replaced_at is null
    {%- endif -%}
{%- endmacro %}
