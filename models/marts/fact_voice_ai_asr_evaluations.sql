{{ config(contract={'enforced': true}) }}

{%- set columns = voice_ai_analytics.input_columns(source('voice_ai', 'asr_word_errors')) -%}
{%- set counts = ['substitutions', 'deletions', 'insertions', 'hits', 'reference_words'] -%}

with evaluations as (

    select
        platform,
        {{ voice_ai_analytics.read_text(columns, 'session_id') }} as session_id,
        turn_id,
        asr_model,
        normalizer,
        coalesce({{ voice_ai_analytics.read_text(columns, 'unit') }}, 'word') as unit,
        {{ counts | join(', ') }},
        -- Keeps duplicate evaluations apart, so that the unique constraint on the key finds them.
        row_number() over (order by platform, turn_id) as evaluation_number
    from (
        {{ voice_ai_analytics.optional_source('asr_word_errors', [
            'platform', 'turn_id', 'asr_model', 'normalizer'
        ] + counts) }}
    ) as given

),

-- Two joins, by session or else by the turn id alone, because an `or` in a join compares every turn with every
-- evaluation. Materialized because an engine may underestimate the number of valid rows and pick just such a join.
evaluated_turns as materialized (
    {% for condition in [
        'given.session_id = evaluations.session_id', 'evaluations.session_id is null'
    ] %}
    select
        given.*,
        evaluations.evaluation_number,
        evaluations.asr_model as evaluated_asr_model,
        evaluations.normalizer,
        evaluations.unit,
        evaluations.{{ counts | join(', evaluations.') }}
    from {{ ref('stg_voice_ai__turns_typed') }} as given
    inner join evaluations
        on
            given.platform = evaluations.platform
            and given.turn_id = evaluations.turn_id
            and {{ condition }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- The version that the fact counts: the latest valid one of a certified session.
versions as (

    select
        turns.*,
        certified_sessions.session_key,
        certified_sessions.started_at as session_started_at,
        row_number() over (
            partition by turns.evaluation_number
            order by {{ voice_ai_analytics.latest_first('turns', [], 'turns') }}
        ) as version_number,
        -- An evaluation that matches turns of several sessions is assigned to none of them.
        min(certified_sessions.session_key) over (partition by turns.evaluation_number)
        <> max(certified_sessions.session_key) over (partition by turns.evaluation_number) as is_ambiguous
    from evaluated_turns as turns
    inner join {{ ref('fact_voice_ai_sessions') }} as certified_sessions
        on turns.platform = certified_sessions.platform and turns.session_id = certified_sessions.session_id
    where turns.quarantine_reasons is null

)

select
    {{ voice_ai_analytics.key('platform', 'session_id', 'turn_id') }}
    || coalesce('-' || evaluated_asr_model, '') as evaluation_key,
    session_key,
    session_started_at,
    evaluated_asr_model,
    normalizer,
    unit,
    cast(substitutions as integer) as substitutions,
    cast(deletions as integer) as deletions,
    cast(insertions as integer) as insertions,
    cast(hits as integer) as hits,
    cast(reference_words as integer) as reference_words
from versions
where version_number = 1 and not is_ambiguous
