-- One row per caller, with no attributes.
select distinct user_id
from {{ ref('input_voice_ai__sessions') }}
where user_id is not null
