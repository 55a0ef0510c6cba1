-- Mistake prevented: an evaluation names no session, its turn id occurs in several, and its errors count for a turn
-- that was never evaluated. Add session_id to asr_word_errors, or run voice-ai evaluate-asr again.
{%- set columns = voice_ai_analytics.input_columns(source('voice_ai', 'asr_word_errors')) %}

select
    evaluations.platform,
    evaluations.turn_id,
    count(distinct turns.session_id) as session_count
from (
    {{ voice_ai_analytics.optional_source('asr_word_errors', ['platform', 'turn_id']) }}
) as evaluations
inner join {{ ref('stg_voice_ai__turns_typed') }} as turns
    on evaluations.platform = turns.platform and evaluations.turn_id = turns.turn_id
where turns.quarantine_reasons is null
{%- if 'session_id' in columns %}
and evaluations.session_id is null
{%- endif %}
group by evaluations.platform, evaluations.turn_id
having count(distinct turns.session_id) > 1
