-- This deployment has no reference transcripts.
select
    turn_id,
    cast(null as {{ dbt.type_string() }}) as platform,
    cast(null as {{ dbt.type_string() }}) as reference_text
from {{ source('deployment', 'voice_turns') }}
where false
