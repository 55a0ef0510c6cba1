-- A table, so that the fact and the quarantine divide the same rows.
{{ config(materialized='table', post_hook="{{ voice_ai_analytics.analyze_table() }}") }}

{{ voice_ai_analytics.numbered_input('tool_calls') }}
