{{ voice_ai_analytics.input_union('evaluations') }}
