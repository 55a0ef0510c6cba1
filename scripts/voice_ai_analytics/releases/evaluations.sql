-- One row per session with a reference for a turn that either release transcribed: errors and words of each release,
-- and of the turns that both transcribed. Where an evaluation names no model, the model of the session did it.
with evaluated as (
    select
        sessions.session_key,
        case
            when evaluations.evaluated_asr_model is null then evaluations.evaluation_key
            else left(
                evaluations.evaluation_key,
                length(evaluations.evaluation_key) - length(evaluations.evaluated_asr_model) - 1
            )
        end as turn_key,
        case coalesce(evaluations.evaluated_asr_model, sessions.asr_model)
            when $mark then 1
            when $mark then 0
        end as is_after,
        evaluations.normalizer,
        evaluations.unit,
        $rates
    from $evaluations as evaluations
    inner join $sessions as sessions on evaluations.session_key = sessions.session_key
),

turns as (
    select
        session_key,
        turn_key,
        min(normalizer) as first_normalizer,
        max(normalizer) as last_normalizer,
        min(unit) as first_unit,
        max(unit) as last_unit,
        sum(case when is_after = 0 then voice_ai_word_error_rate_numerator end) as errors_before,
        sum(case when is_after = 0 then voice_ai_word_error_rate_denominator end) as words_before,
        sum(case when is_after = 1 then voice_ai_word_error_rate_numerator end) as errors_after,
        sum(case when is_after = 1 then voice_ai_word_error_rate_denominator end) as words_after
    from evaluated
    where is_after is not null
    group by session_key, turn_key
),

counted as (
    select
        session_key,
        min(first_normalizer) as first_normalizer,
        max(last_normalizer) as last_normalizer,
        min(first_unit) as first_unit,
        max(last_unit) as last_unit,
        sum(errors_before) as errors_before,
        sum(words_before) as words_before,
        sum(errors_after) as errors_after,
        sum(words_after) as words_after,
        sum(case when words_after is not null then errors_before end) as paired_errors_before,
        sum(case when words_after is not null then words_before end) as paired_words_before,
        sum(case when words_before is not null then errors_after end) as paired_errors_after,
        sum(case when words_before is not null then words_after end) as paired_words_after
    from turns
    group by session_key
)

select
    sessions.session_key,
    sessions.user_key,
    cast(sessions.started_at as date) as started_on,
    sessions.language,
    sessions.channel,
    sessions.region,
    cast(sessions.has_disability as text) as has_disability,
    cast(sessions.is_first_time_digital_user as text) as is_first_time_digital_user,
    counted.first_normalizer,
    counted.last_normalizer,
    counted.first_unit,
    counted.last_unit,
    cast(counted.errors_before as double precision) as errors_before,
    cast(counted.words_before as double precision) as words_before,
    cast(counted.errors_after as double precision) as errors_after,
    cast(counted.words_after as double precision) as words_after,
    cast(counted.paired_errors_before as double precision) as paired_errors_before,
    cast(counted.paired_words_before as double precision) as paired_words_before,
    cast(counted.paired_errors_after as double precision) as paired_errors_after,
    cast(counted.paired_words_after as double precision) as paired_words_after
from counted
inner join $sessions as sessions on counted.session_key = sessions.session_key
order by sessions.session_key
