-- Mistake prevented: without a salt every user is unknown, and an empty one makes user keys guessable. Selects only a
-- count, so that stored failures never contain the salt.
select count(*) as salts
from {{ ref('stg_voice_ai__salt').render() }}
having count(*) <> 1 or min(length(salt)) < 60
