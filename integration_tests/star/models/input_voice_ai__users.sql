-- One row per person playing the user, with no attributes.
select distinct user_worker_id as user_id
from {{ source('star', 'star_dialogues') }}
where user_worker_id is not null
