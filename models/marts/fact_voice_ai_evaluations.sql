{{ config(contract={'enforced': true}) }}

select
    {{ voice_ai_analytics.key('given.platform', 'given.session_id', 'given.evaluation_id') }} as evaluation_key,
    certified_sessions.session_key,
    certified_sessions.started_at as session_started_at,
    given.platform,
    given.evaluation_id,
    given.turn_id,
    given.criterion,
    given.evaluator,
    given.evaluator_version,
    given.passed,
    given.score,
    given.label
from {{ ref('stg_voice_ai__evaluations_typed') }} as given
-- Read in full by every build, so rows that change, arrive late or leave the source need no list of what is new.
inner join {{ ref('fact_voice_ai_sessions') }} as certified_sessions
    on given.platform = certified_sessions.platform and given.session_id = certified_sessions.session_id
where given.version_number = 1
