{{ config(pre_hook="{{ voice_ai_analytics.remove_replaced_quarantine('users') }}") }}

-- Moves with the fact: the two always tell of the same rows.
-- depends_on: {{ ref('fact_voice_ai_sessions') }}

select *
from {{ ref('stg_voice_ai__users_refused') }}
