{%- set build = voice_ai_analytics.this_build() -%}
{{ voice_ai_analytics.versions(
    'users', voice_ai_analytics.users_of_build(build), ['user_id'], voice_ai_analytics.user_attributes()
) }}
