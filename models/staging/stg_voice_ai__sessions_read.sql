{{ config(materialized='table', pre_hook="{{ voice_ai_analytics.hold_the_build() }}") }}

{{ voice_ai_analytics.read_batch('sessions') }}
