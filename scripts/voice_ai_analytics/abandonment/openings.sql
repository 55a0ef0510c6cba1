-- One row per session with a user turn: what was known from its first 1, 2, 3 and 5 user turns.
select
    session_key,
    count(case when user_turn_number <= 1 then 1 end) as opening_user_turns_1,
    avg(case when user_turn_number <= 1 then asr_confidence end) as opening_asr_confidence_1,
    avg(case when user_turn_number <= 1 then error end) as opening_error_proportion_1,
    avg(case when user_turn_number <= 1 then intent_confidence end) as opening_intent_confidence_1,
    count(case when user_turn_number <= 2 then 1 end) as opening_user_turns_2,
    avg(case when user_turn_number <= 2 then asr_confidence end) as opening_asr_confidence_2,
    avg(case when user_turn_number <= 2 then error end) as opening_error_proportion_2,
    avg(case when user_turn_number <= 2 then intent_confidence end) as opening_intent_confidence_2,
    count(case when user_turn_number <= 3 then 1 end) as opening_user_turns_3,
    avg(case when user_turn_number <= 3 then asr_confidence end) as opening_asr_confidence_3,
    avg(case when user_turn_number <= 3 then error end) as opening_error_proportion_3,
    avg(case when user_turn_number <= 3 then intent_confidence end) as opening_intent_confidence_3,
    count(*) as opening_user_turns_5,
    avg(asr_confidence) as opening_asr_confidence_5,
    avg(error) as opening_error_proportion_5,
    avg(intent_confidence) as opening_intent_confidence_5
from (
    select
        session_key,
        user_turn_number,
        -- PostgreSQL averages numeric into numeric, which Python reads as Decimal.
        cast(asr_confidence as double precision) as asr_confidence,
        cast(case when is_error then 1 when not is_error then 0 end as double precision) as error,
        cast(intent_confidence as double precision) as intent_confidence
    from $turns as turns
    where user_turn_number <= 5
) as openings
group by session_key
