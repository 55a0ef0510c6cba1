-- Mistake prevented: user ids come in two formats, and gaps between groups are measured on the few that match.
{{ config(severity='warn') }}

with known_users as (

    select user_key from {{ ref('int_voice_ai__users') }}

)

select sessions.session_key
from {{ ref('int_voice_ai__sessions') }} as sessions
left join known_users on sessions.user_key = known_users.user_key
where
    sessions.user_key is not null
    and known_users.user_key is null
    -- Without a users table, no user is known, which is fine.
    and exists (select anyone.user_key from known_users as anyone)
