-- One row per dialogue file, from its first timed event to its last. The file name is the id: it equals the DialogueID,
-- and even an unreadable file has one. A dialogue without a timed event has no start, so the package quarantines it.
-- The questionnaires are left out: yes-or-no answers to questions that differ between tasks and batches aren't a rating
-- from 1 to 5.

with dialogues as (

    select * from {{ source('star', 'star_dialogues') }}

),

spans as (

    select
        file_name,
        min(happened_at) as started_at,
        max(happened_at) as ended_at
    from {{ ref('star_events_timed') }}
    group by file_name

)

select
    dialogues.file_name as session_id,
    'star' as platform,
    dialogues.user_worker_id as user_id,
    'chat' as channel,
    'en' as language,
    spans.started_at,
    spans.ended_at,
    dialogues.completion_level as outcome_raw
from dialogues
left join spans on dialogues.file_name = spans.file_name
