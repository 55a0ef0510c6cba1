{{ voice_ai_analytics.optional_source('evaluations', voice_ai_analytics.input_contract('evaluations').required) }}
