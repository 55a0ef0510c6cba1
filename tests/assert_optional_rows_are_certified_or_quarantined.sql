-- Mistake prevented: a join loses or doubles a tool call or an evaluation on its way to the certified table or quarantine.
{% for table in ['tool_calls', 'evaluations'] -%}
select '{{ table }}' as table_name
where
    (select count(*) from {{ ref('stg_voice_ai__' ~ table ~ '_typed') }})
    <> (select count(*) from {{ ref('fact_voice_ai_' ~ table) }})
    + (select count(*) from {{ ref('quarantine_voice_ai__' ~ table) }})
{{ "union all" if not loop.last }}
{% endfor %}
