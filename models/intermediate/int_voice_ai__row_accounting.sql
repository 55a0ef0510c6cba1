{%- set tables = ['sessions', 'turns', 'users'] -%}

{% for table in tables %}
select
    '{{ table }}' as table_name,
    (select count(*) from {{ ref('input_voice_ai__' ~ table) }}) as raw_rows,
    (select count(*) from {{ ref('stg_voice_ai__' ~ table) }}) as staged_rows,
    (select count(*) from {{ ref('quarantine_voice_ai__' ~ table) }}) as quarantined_rows
{{ "union all" if not loop.last }}
{% endfor %}
