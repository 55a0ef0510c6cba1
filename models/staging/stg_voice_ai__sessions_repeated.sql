{{ config(
    materialized='table',
    pre_hook="{{ voice_ai_analytics.hold_the_build() }}",
    post_hook="{{ voice_ai_analytics.analyze_table() }}"
) }}

{%- set build = voice_ai_analytics.this_build() %}

with good_rows as (

    select *
    from {{ voice_ai_analytics.rows_of_build('sessions', build) }}
    where quarantine_reasons is null

),

-- Only ids that come more than once are ordered: ordering all is many times the work.
repeated as (

    select platform, session_id
    from good_rows
    group by platform, session_id
    having count(*) > 1

)

select
    good_rows.*,
    row_number() over (
        partition by good_rows.platform, good_rows.session_id
        order by {{ voice_ai_analytics.latest_first('sessions', ['is_started_at_time_known'], 'good_rows') }}
    ) as version_number
from good_rows
inner join repeated
    on good_rows.platform = repeated.platform and good_rows.session_id = repeated.session_id
