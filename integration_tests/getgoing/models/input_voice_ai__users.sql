-- One row per caller, of whom nothing more is known.
select distinct user_id
from {{ ref('input_voice_ai__sessions') }}
where user_id is not null
