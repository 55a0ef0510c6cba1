-- Mistake prevented: a platform numbers its turns anew in each session, and all but one turn of a number are lost as
-- duplicates.
{{ config(severity='warn') }}

select
    platform,
    turn_id,
    count(distinct session_id) as session_count
from {{ ref('stg_voice_ai__turns_sifted') }}
where version_number is not null
group by platform, turn_id
having count(distinct session_id) > 1
