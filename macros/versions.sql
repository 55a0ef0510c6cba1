{#- Selects the rows that need a decision, with their version_number: rejected rows (null), and valid rows whose id
    occurs more than once or that report an impossible measurement (1 for the current row, then older ones). Leaves out
    all other valid rows, because sorting them is many times the work. `rows` is a subquery in parentheses, `ids` are the columns of the id. -#}
{% macro versions(table, rows, ids, extra_columns=[]) -%}
with repeated as (

    select {{ ids | join(', ') }}
    from {{ rows }} as given
    where quarantine_reasons is null
    group by {{ ids | join(', ') }}
    having count(*) > 1{{ ' or count(value_quarantine_reasons) > 0' if table != 'users' }}

)

select
    given.*,
    cast(row_number() over (
        partition by given.{{ ids | join(', given.') }}
        order by {{ voice_ai_analytics.latest_first(table, extra_columns, 'given') }}
    ) as integer) as version_number
from {{ rows }} as given
inner join repeated
    on
        {%- for id in ids %}
        {{ "and " if not loop.first }}given.{{ id }} = repeated.{{ id }}
        {%- endfor %}
where given.quarantine_reasons is null

union all

select
    *,
    cast(null as integer) as version_number
from {{ rows }} as given
where quarantine_reasons is not null
{%- endmacro %}
