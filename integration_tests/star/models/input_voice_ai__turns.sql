-- One row per message that the other side reads, numbered in order. The Wizard is the person who plays the assistant:
-- pick_suggestion sends a suggested sentence, utter one of their own. These actions aren't turns: request_suggestions
-- (a draft), query and return_item (the Wizard's look-ups), instruct (a stage direction to the user), select_* and
-- complete (buttons).

select
    file_name || '-' || cast(position as {{ dbt.type_string() }}) as turn_id,
    file_name as session_id,
    'star' as platform,
    row_number() over (partition by file_name order by position) as turn_index,
    case agent when 'User' then 'user' when 'Wizard' then 'assistant' else agent end as speaker,
    happened_at as started_at,
    text as transcript
from {{ ref('star_events_timed') }}
where action in ('utter', 'pick_suggestion')
