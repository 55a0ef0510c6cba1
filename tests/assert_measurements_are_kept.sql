-- Mistake prevented: single impossible measurements (a rating of 9) disappear from every mean without a word.
{{ config(severity='warn', fail_calc='coalesce(sum(row_count), 0)') }}

{%- set tables = {'sessions': 'int_voice_ai__sessions_versions', 'turns': 'int_voice_ai__turns_versions'} -%}
{%- for table in ['tool_calls', 'evaluations'] -%} {%- do tables.update({table: 'stg_voice_ai__' ~ table ~ '_typed'}) -%} {%- endfor %}

{% for table, rows in tables.items() -%}
select
    '{{ table }}' as table_name,
    platform,
    value_quarantine_reasons,
    count(*) as row_count
from {{ ref(rows) }}
where version_number = 1 and value_quarantine_reasons is not null
group by platform, value_quarantine_reasons
{{ "union all" if not loop.last }}
{% endfor %}
