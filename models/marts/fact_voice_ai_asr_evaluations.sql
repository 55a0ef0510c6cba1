{{ config(contract={'enforced': true}) }}

{%- set columns = voice_ai_analytics.input_columns(source('voice_ai', 'asr_word_errors')) %}

with evaluations as (

    select
        platform,
        turn_id,
        asr_model,
        normalizer,
        coalesce({{ voice_ai_analytics.read_text(columns, 'unit') }}, 'word') as unit,
        substitutions,
        deletions,
        insertions,
        hits,
        reference_words
    from (
        {{ voice_ai_analytics.optional_source('asr_word_errors', [
            'platform', 'turn_id', 'asr_model', 'normalizer',
            'substitutions', 'deletions', 'insertions', 'hits', 'reference_words'
        ]) }}
    ) as given

),

certified_sessions as (

    select platform, session_id, session_key, started_at
    from {{ ref('fact_voice_ai_sessions') }}

),

-- The version that the fact counts: the latest good one of a certified session.
turns as (

    select
        given.platform,
        given.turn_id,
        certified_sessions.session_key,
        certified_sessions.started_at,
        row_number() over (
            partition by given.platform, given.turn_id
            order by {{ voice_ai_analytics.latest_first('turns', [], 'given') }}
        ) as version_number
    from {{ ref('stg_voice_ai__turns_checked') }} as given
    inner join (select distinct platform, turn_id from evaluations) as evaluated
        on given.platform = evaluated.platform and given.turn_id = evaluated.turn_id
    inner join certified_sessions
        on given.platform = certified_sessions.platform and given.session_id = certified_sessions.session_id
    where given.quarantine_reasons is null

)

select
    {{ voice_ai_analytics.key('turns.platform', 'turns.turn_id') }}
    || coalesce('-' || evaluations.asr_model, '') as evaluation_key,
    turns.session_key,
    turns.started_at as session_started_at,
    evaluations.asr_model as evaluated_asr_model,
    evaluations.normalizer,
    evaluations.unit,
    cast(evaluations.substitutions as integer) as substitutions,
    cast(evaluations.deletions as integer) as deletions,
    cast(evaluations.insertions as integer) as insertions,
    cast(evaluations.hits as integer) as hits,
    cast(evaluations.reference_words as integer) as reference_words
from evaluations
inner join turns on evaluations.platform = turns.platform and evaluations.turn_id = turns.turn_id
where turns.version_number = 1
