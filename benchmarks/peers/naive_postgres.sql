-- The naive roll-up: one scan of the turns. It doesn't handle duplicates, bad rows or pseudonyms.
drop table if exists benchmark.naive;
create table benchmark.naive as
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
    users.region,
    users.has_disability,
    users.is_first_time_digital_user,
    turns.counted_turns,
    turns.user_turn_count,
    turns.assistant_turn_count,
    turns.system_turn_count,
    turns.error_turn_count,
    turns.misunderstanding_turn_count,
    turns.no_input_turn_count,
    turns.noise_turn_count,
    turns.no_match_turn_count,
    turns.repeat_turn_count,
    turns.asr_confidence_sum,
    turns.asr_confidence_count,
    turns.intent_confidence_sum,
    turns.intent_confidence_count,
    turns.interruption_turn_count
from voice_ai_raw.sessions as sessions
left join turns on sessions.session_id = turns.session_id
left join voice_ai_raw.users as users on sessions.user_id = users.user_id;
