select * from {{ source('voice_ai', 'sessions') }}
