-- Error reduction: is it getting better?
-- One row per week and ASR release, with the counts needed for intervals. Releases may serve different languages and
-- channels: before you call one better, compare them within the same language and channel.
select
    date_trunc('week', started_at) as week,
    asr_model,
    -- Turns on platforms that report errors.
    sum(case when has_error is not null then turn_count end) as turns,
    sum(error_turn_count) as error_turns,
    cast(sum(error_turn_count) as double precision)
    / nullif(sum(case when has_error is not null then turn_count end), 0) as error_turn_rate,
    cast(sum(misunderstanding_turn_count) as double precision)
    / nullif(sum(case when has_error is not null then turn_count end), 0) as misunderstanding_rate,
    cast(sum(no_input_turn_count) as double precision)
    / nullif(sum(case when has_error is not null then turn_count end), 0) as no_input_rate,
    cast(sum(noise_turn_count) as double precision)
    / nullif(sum(case when has_error is not null then turn_count end), 0) as noise_rate
from {{ ref('fact_voice_ai_sessions') }}
group by 1, 2
order by 1, 2
