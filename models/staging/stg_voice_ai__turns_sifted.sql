{{ config(
    materialized='table',
    pre_hook="{{ voice_ai_analytics.hold_the_build() }}",
    post_hook="{{ voice_ai_analytics.analyze_table() }}"
) }}

{%- set build = voice_ai_analytics.this_build() %}
{%- set columns = voice_ai_analytics.input_contract('turns').columns.keys() | list + ['unreadable_values', 'quarantine_reasons'] %}

with to_sift as (

    select platform, session_id, session_key
    from {{ ref('int_voice_ai__turns_rolled_up') }}
    where is_to_sift

),

turns as (

    select
        given.{{ columns | join(', given.') }},
        to_sift.session_key,
        {{ voice_ai_analytics.id_hash('given.platform', 'given.turn_id') }} as turn_hash,
        given.quarantine_reasons is null and to_sift.session_key is not null as is_candidate
    from {{ voice_ai_analytics.rows_of_build('turns', build) }} as given
    -- No value is blank, so that a blank can stand for null, by which no engine can hash.
    inner join to_sift
        on
            coalesce(given.platform, '') = coalesce(to_sift.platform, '')
            and coalesce(given.session_id, '') = coalesce(to_sift.session_id, '')

),

-- Only ids that come more than once are ordered: ordering all is many times the work.
repeated as (

    select turn_hash
    from turns
    where is_candidate
    group by turn_hash
    having count(*) > 1

),

ordered as (

    select
        {{ columns | join(', ') }},
        session_key,
        row_number() over (
            partition by platform, turn_id
            order by {{ voice_ai_analytics.latest_first('turns') }}
        ) as version_number
    from turns
    where is_candidate and turn_hash in (select turn_hash from repeated)

)

select
    {{ columns | join(', ') }},
    session_key,
    version_number,
    version_number = 1 as is_counted
from ordered

union all

select
    {{ columns | join(', ') }},
    session_key,
    case when is_candidate then 1 end as version_number,
    is_candidate as is_counted
from turns
where not is_candidate or turn_hash not in (select turn_hash from repeated)
