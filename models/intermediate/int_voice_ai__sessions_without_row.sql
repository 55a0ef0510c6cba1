{#- A table of its own, because it is nearly always small, and an engine that plans by statistics must know that. -#}
select turns.platform, turns.session_id
from {{ ref('int_voice_ai__turns_aggregated') }} as turns
where
    not exists (
        select 1
        from {{ ref('stg_voice_ai__sessions') }} as sessions
        where sessions.platform = turns.platform and sessions.session_id = turns.session_id
    )
