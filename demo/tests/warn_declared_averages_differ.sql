-- Mistake prevented: trusting the platform's own averages when its turns say otherwise.
{{ config(severity='warn') }}

select
    fact.session_id,
    fact.asr_confidence_mean,
    declared.avg_asr_confidence
from {{ ref('fact_voice_ai_sessions') }} as fact
inner join {{ source('deployment', 'voice_ai_metrics') }} as declared on fact.session_id = declared.session_id
where
    {{ voice_ai_analytics.matches("trim(declared.avg_asr_confidence)", "^[01]([.][0-9]{1,15})?$") }}
    and abs(fact.asr_confidence_mean - cast(trim(declared.avg_asr_confidence) as double precision)) > 0.01
