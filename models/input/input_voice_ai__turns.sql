select * from {{ source('voice_ai', 'turns') }}
