-- Published with the fact, after the same tests.
-- depends_on: {{ ref('fact_voice_ai_sessions') }}

select * from {{ ref('int_voice_ai__row_accounting') }}
