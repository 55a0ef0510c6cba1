-- One row per person in the user's part, of whom nothing more is known.
select distinct user_worker_id as user_id
from {{ source('star', 'star_dialogues') }}
where user_worker_id is not null
