{#- Certified sessions that no longer have a row in the source, as a subquery in parentheses. The fact keeps them as
    they were. Columns that a fact of an earlier version lacks are null. -#}
{% macro sessions_deleted_upstream(build) -%}
{%- set known = adapter.get_columns_in_relation(build.fact) | map(attribute='name') | list -%}
{%- set declared = graph.nodes['model.voice_ai_analytics.fact_voice_ai_sessions'].columns -%}
(
    select
        *
        {%- for column in declared.values() if column.name not in known %},
        cast(null as {{ column.data_type }}) as {{ column.name }}
        {%- endfor %}
    from {{ build.fact }} as fact
    where
        not exists (
            select 1
            from {{ voice_ai_analytics.rows_of_build('sessions', build) }} as given
            where given.platform = fact.platform and given.session_id = fact.session_id
        )
        {%- if not build.is_full %}
        and fact.session_key in (select session_key from {{ ref('int_voice_ai__sessions_to_rebuild') }})
        {%- endif %}
)
{%- endmacro %}
