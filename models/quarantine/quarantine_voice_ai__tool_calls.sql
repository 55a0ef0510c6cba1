{{ config(materialized='table') }}

{{ voice_ai_analytics.quarantined_input('tool_calls') }}
