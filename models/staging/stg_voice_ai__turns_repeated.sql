{{ config(
    materialized='table',
    pre_hook="{{ voice_ai_analytics.hold_the_build() }}",
    post_hook="{{ voice_ai_analytics.analyze_table() }}"
) }}

{%- set build = voice_ai_analytics.this_build() %}
{%- set repeated_ids = ref('int_voice_ai__repeated_turn_ids') %}

with good_rows as (

    select *, {{ voice_ai_analytics.id_hash('platform', 'turn_id') }} as turn_hash
    from {{ voice_ai_analytics.rows_of_build('turns', build) }}
    where quarantine_reasons is null

),

-- Only ids that come more than once are ordered: ordering all is many times the work.
repeated as (
    {% if build.is_full %}
    select distinct turn_hash from {{ repeated_ids }}
    {% else %}
    select turn_hash from good_rows group by turn_hash having count(*) > 1
    {% endif %}
),

sessions as (

    select platform, session_id, session_key
    from {{ ref('stg_voice_ai__sessions') }}

)

select
    good_rows.*,
    -- A version whose session is not in staging goes to quarantine for that, and displaces no other.
    case
        when sessions.session_key is not null
            then row_number() over (
                partition by good_rows.platform, good_rows.turn_id, sessions.session_key is null
                order by {{ voice_ai_analytics.latest_first('turns', [], 'good_rows') }}
            )
    end as version_number
from good_rows
inner join repeated on good_rows.turn_hash = repeated.turn_hash
left join sessions
    on good_rows.platform = sessions.platform and good_rows.session_id = sessions.session_id
