-- Why applications aren't in the fact: which sessions and users would they join to?
-- A join by session multiplies the rows of sessions with several applications; a join by user contradicts the
-- session's user. docs/decisions/0003-applications-stay-out-of-the-fact.md shows the numbers of one run.
with applications as (

    select
        applications.application_id,
        applications.session_id,
        applications.user_id,
        sessions.user_id as session_user_id,
        sessions.session_id is not null as has_session
    from {{ source('deployment', 'applications') }} as applications
    left join (
        select session_id, max(user_id) as user_id
        from {{ source('deployment', 'voice_sessions') }}
        group by session_id
    ) as sessions
        on applications.session_id = sessions.session_id

),

applications_a_session as (

    select session_id, count(*) as applications
    from applications
    group by session_id

)

select
    count(*) as applications,
    count(case when not has_session then 1 end) as without_a_session,
    count(case when user_id <> session_user_id then 1 end) as of_another_user_than_the_session,
    (select count(*) from applications_a_session where applications > 1) as sessions_with_several,
    (select count(*) from {{ ref('fact_voice_ai_sessions') }}) as certified_sessions,
    (
        select count(distinct applications.session_id)
        from {{ ref('fact_voice_ai_sessions') }} as fact
        inner join applications on fact.session_id = applications.session_id
    ) as certified_sessions_with_an_application
from applications
