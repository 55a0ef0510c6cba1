-- Mistake prevented: a platform reports a measurement in another unit (confidences of 0 to 100), every value reads as
-- null, and metrics rest on the few that happen to fit. Compares values with values: rows without one say nothing.
-- Reads only platforms with an impossible value.
{%- set build = voice_ai_analytics.this_build() -%}
{%- set calls, evaluations = ref('stg_voice_ai__tool_calls_typed'), ref('stg_voice_ai__evaluations_typed') -%}
{%- set rows = {
    'sessions': voice_ai_analytics.rows_of_build('sessions', build),
    'turns': voice_ai_analytics.rows_of_build('turns', build),
    'tool_calls': calls,
    'evaluations': evaluations
} -%}
{%- set bad = {
    'sessions': ref('int_voice_ai__sessions_versions'),
    'turns': ref('int_voice_ai__turns_versions'),
    'tool_calls': calls,
    'evaluations': evaluations
} -%}
{%- set measurements = {} -%}
{%- for table in rows -%} {%- do measurements.update({table: voice_ai_analytics.measurements(table)}) -%} {%- endfor %}

with
{% for table in measurements %}
{{ table }}_values as (

    select
        {%- for name in measurements[table] %}
        count(given.{{ name }}) as {{ name }}_possible,
        count(case when given.value_quarantine_reasons || ',' like '%impossible_{{ name }},%' then 1 end)
            as {{ name }}_impossible,
        {%- endfor %}
        given.platform
    from {{ rows[table] }} as given
    inner join (
        select distinct platform
        from {{ bad[table] }}
        where value_quarantine_reasons is not null and quarantine_reasons is null
    ) as concerned on given.platform = concerned.platform
    where given.quarantine_reasons is null
    group by given.platform

),
{% endfor %}
judged as (
    {% for table in measurements %}
    {%- set is_last_table = loop.last %}
    {%- for name in measurements[table] %}
    select
        '{{ table }}' as table_name,
        platform,
        '{{ name }}' as column_name,
        sum({{ name }}_possible) as possible_values,
        sum({{ name }}_impossible) as impossible_values
    from {{ table }}_values
    group by rollup(platform)
    {{ "union all" if not (is_last_table and loop.last) }}
    {%- endfor %}
    {%- endfor %}

)

-- Without a platform: the column as a whole. A batch, or a stray platform, can be a handful of rows, of which a few bad
-- ones aren't a unit that was mistaken, and nor are one or two values of a column that is otherwise empty.
select *
from judged
where
    impossible_values > possible_values
    and (impossible_values >= 10{{ ' or (platform is null and impossible_values >= 3)' if build.is_full }})
