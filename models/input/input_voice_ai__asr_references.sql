{{ voice_ai_analytics.optional_source('asr_references', ['turn_id', 'platform', 'reference_text']) }}
