{{ config(contract={'enforced': true}) }}

with evaluations as (

    {{ voice_ai_analytics.optional_source('asr_word_errors', [
        'platform', 'turn_id', 'asr_model', 'normalizer',
        'substitutions', 'deletions', 'insertions', 'hits', 'reference_words'
    ]) }}

),

good_turns as (

    select
        turns.*,
        row_number() over (
            partition by turns.platform, turns.turn_id
            order by {{ voice_ai_analytics.latest_first('turns', [], 'turns') }}
        ) as version_number
    from {{ ref('stg_voice_ai__turns_checked') }} as turns
    inner join (select distinct platform, turn_id from evaluations) as evaluated
        on turns.platform = evaluated.platform and turns.turn_id = evaluated.turn_id
    where turns.quarantine_reasons is null

),

turns as (

    select
        platform,
        turn_id,
        {{ voice_ai_analytics.key('platform', 'session_id') }} as session_key
    from good_turns
    where version_number = 1

),

certified_sessions as (

    select session_key, started_at
    from {{ ref('fact_voice_ai_sessions') }}

)

select
    {{ voice_ai_analytics.key('turns.platform', 'turns.turn_id') }}
    || coalesce('-' || evaluations.asr_model, '') as evaluation_key,
    turns.session_key,
    certified_sessions.started_at as session_started_at,
    evaluations.asr_model as evaluated_asr_model,
    evaluations.normalizer,
    cast(evaluations.substitutions as integer) as substitutions,
    cast(evaluations.deletions as integer) as deletions,
    cast(evaluations.insertions as integer) as insertions,
    cast(evaluations.hits as integer) as hits,
    cast(evaluations.reference_words as integer) as reference_words
from evaluations
inner join turns on evaluations.platform = turns.platform and evaluations.turn_id = turns.turn_id
inner join certified_sessions on turns.session_key = certified_sessions.session_key
