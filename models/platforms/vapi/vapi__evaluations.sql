{{ config(enabled=voice_ai_analytics.is_platform_on('vapi')) }}

{%- set is_number = voice_ai_analytics.matches('success_evaluation', '^[0-9]{1,9}([.][0-9]{1,9})?%?$') %}
{%- set words = [
    'excellent', 'good', 'fair', 'poor', 'strongly agree', 'agree', 'neutral', 'disagree', 'strongly disagree'
] %}

select
    'success_evaluation' as evaluation_id,
    session_id,
    'vapi' as platform,
    'success_evaluation' as criterion,
    'model' as evaluator,
    case when success_evaluation in ('true', 'false') then success_evaluation end as passed,
    case when {{ is_number }} then rtrim(success_evaluation, '%') end as score,
    -- Other rubrics, such as a checklist, give free text, which might repeat what the caller said.
    case when success_evaluation in ('{{ words | join("', '") }}') then success_evaluation end as label,
    loaded_at as updated_at,
    loaded_at
from {{ ref('vapi__sessions') }}
where payload_rank = 1 and session_id is not null and success_evaluation is not null
