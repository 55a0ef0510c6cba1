-- The naive roll-up: one scan of the turns. It doesn't handle duplicates, bad rows or pseudonyms.
create or replace table benchmark.naive as
with turns as (
    select
        session_id,
        count(*) as counted_turns,
        count(case when speaker = 'user' then 1 end) as user_turn_count,
        count(case when speaker = 'assistant' then 1 end) as assistant_turn_count,
        count(case when speaker = 'system' then 1 end) as system_turn_count,
        count(error_type) as error_turn_count,
        count(case when error_type = 'misunderstanding' then 1 end) as misunderstanding_turn_count,
        count(case when error_type = 'no_input' then 1 end) as no_input_turn_count,
        count(case when error_type = 'noise' then 1 end) as noise_turn_count,
        count(case when error_type = 'no_match' then 1 end) as no_match_turn_count,
        count(case when error_type = 'repeat' then 1 end) as repeat_turn_count,
        sum(case when speaker = 'user' then asr_confidence end) as asr_confidence_sum,
        count(case when speaker = 'user' then asr_confidence end) as asr_confidence_count,
        sum(intent_confidence) as intent_confidence_sum,
        count(intent_confidence) as intent_confidence_count,
        count(case when is_interruption then 1 end) as interruption_turn_count
    from voice_ai_raw.turns
    group by session_id
)

select
    sessions.*,
    users.* exclude (user_id, loaded_at),
    turns.* exclude (session_id)
from voice_ai_raw.sessions as sessions
left join turns on sessions.session_id = turns.session_id
left join voice_ai_raw.users as users on sessions.user_id = users.user_id;
