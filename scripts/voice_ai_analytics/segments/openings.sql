-- One row per session with at least $k user turns: what was known when the last of them was made.
select
    session_key,
    -- Null where the platform never reports errors, or interruptions.
    cast(sum(case when is_error then 1 when not is_error then 0 end) as double precision) as opening_errors,
    -- PostgreSQL averages into numeric, which Python reads as Decimal.
    cast(avg(asr_confidence) as double precision) as opening_asr_confidence,
    cast(avg(intent_confidence) as double precision) as opening_intent_confidence,
    cast(
        sum(case when is_interruption then 1 when not is_interruption then 0 end) as double precision
    ) as opening_interruptions
from $turns as turns
where user_turn_number <= $k
group by session_key
having count(*) = $k
