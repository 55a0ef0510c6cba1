-- Mistake prevented: a second salt doubles every session, none drops them all, an empty one makes user keys guessable.
-- Only counted, so that no stored failure holds the salt.
select count(*) as salts
from {{ ref('stg_voice_ai__salt') }}
having count(*) <> 1 or min(length(salt)) < 60
