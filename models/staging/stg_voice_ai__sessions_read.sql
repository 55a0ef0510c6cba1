{{ config(
    materialized='table',
    pre_hook="{{ voice_ai_analytics.hold_the_build() }}",
    post_hook="{{ voice_ai_analytics.analyze_table() }}"
) }}

{{ voice_ai_analytics.read_batch('sessions') }}
