{{ config(pre_hook="{{ voice_ai_analytics.hold_the_build() }}") }}

{%- set build = voice_ai_analytics.this_build() %}
{%- set columns = [
    'platform', 'session_id', 'turn_index', 'speaker', 'started_at', 'ended_at', 'asr_confidence', 'intent',
    'intent_confidence', 'error_type', 'response_latency_ms', 'is_interruption', 'transcript'
] %}

select
    turns.turn_id,
    sessions.session_key,
    turns.{{ columns | join(',
    turns.') }}
from {{ voice_ai_analytics.rows_of_build('turns', build) }} as turns
inner join {{ ref('int_voice_ai__turns_rolled_up') }} as sessions
    on turns.platform = sessions.platform and turns.session_id = sessions.session_id
where not sessions.is_to_sift

union all

select
    turn_id,
    session_key,
    {{ columns | join(',
    ') }}
from {{ ref('stg_voice_ai__turns_sifted') }}
where is_counted
