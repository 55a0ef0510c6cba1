-- Mistake prevented: an inner join to turns or users drops sessions, or a join that fans out repeats them.
with staged as (

    select session_key, count(*) as row_count
    from {{ ref('stg_voice_ai__sessions') }}
    group by session_key

),

candidate as (

    select session_key, count(*) as row_count
    from {{ ref('int_voice_ai__sessions_candidate') }}
    group by session_key

)

select
    staged.session_key as staged_session_key,
    candidate.session_key as candidate_session_key,
    staged.row_count as staged_rows,
    candidate.row_count as candidate_rows
from staged
full outer join candidate on staged.session_key = candidate.session_key
where coalesce(staged.row_count, 0) <> coalesce(candidate.row_count, 0)
