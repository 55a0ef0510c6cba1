-- The same fact by hand: two scans of the turns. The first rolls up all of them and proves for most
-- sessions that no turn id repeats. The second keeps only the turns of the remaining sessions. Helper
-- tables are unlogged rather than temporary, because temporary tables prevent parallel plans.
create or replace function benchmark.given(value text) returns text
language sql immutable parallel safe as $$ select nullif(trim(value), '') $$;

create or replace function benchmark.code(value text) returns text
language sql immutable parallel safe
as $$ select replace(replace(lower(value), ' ', '_'), '-', '_') $$;

drop table if exists benchmark.repeated_session_ids, benchmark.repeated_sessions;
drop table if exists benchmark.dropped_sessions, benchmark.fact;
drop table if exists benchmark.rolled_up, benchmark.doubtful, benchmark.turns_read_again;
drop table if exists benchmark.repeated_turns, benchmark.current_turns, benchmark.rolled_up_again;

create or replace view benchmark.valid_sessions as
select
    ctid as id,
    benchmark.given(session_id) as session_id,
    benchmark.given(platform) as platform,
    benchmark.given(user_id) as user_id,
    lower(benchmark.given(channel)) as channel,
    benchmark.given(language) as language,
    started_at,
    ended_at,
    case when duration_seconds between 0 and 1e9 then duration_seconds end as duration_seconds,
    case when turn_count >= 0 then turn_count end as turn_count,
    benchmark.given(outcome_raw) as outcome_raw,
    benchmark.given(transfer_reason) as transfer_reason,
    benchmark.given(bot_version) as bot_version,
    benchmark.given(asr_model) as asr_model,
    case when csat_score between 1 and 5 then csat_score end as csat_score,
    case when cost_usd >= 0 then cost_usd end as cost_usd,
    updated_at,
    loaded_at
from voice_ai_raw.sessions
where
    benchmark.given(session_id) is not null
    and benchmark.given(platform) is not null
    and started_at is not null
    and (ended_at < started_at) is not true;

-- The most common values are tested first.
create or replace view benchmark.valid_turns as
select
    benchmark.given(turn_id) as turn_id,
    benchmark.given(session_id) as session_id,
    benchmark.given(platform) as platform,
    turn_index,
    case
        when speaker in ('user', 'assistant', 'system') then speaker
        else lower(benchmark.given(speaker))
    end as speaker,
    started_at,
    ended_at,
    case when asr_confidence between 0 and 1 then asr_confidence end as asr_confidence,
    benchmark.given(intent) as intent,
    case when intent_confidence between 0 and 1 then intent_confidence end as intent_confidence,
    case
        when error_type in ('misunderstanding', 'no_input', 'noise', 'no_match', 'repeat')
            then error_type
        else lower(benchmark.given(error_type))
    end as error_type,
    case when response_latency_ms >= 0 then response_latency_ms end as response_latency_ms,
    is_interruption,
    transcript,
    updated_at,
    loaded_at
from voice_ai_raw.turns
where
    turn_index >= 0
    and (
        speaker in ('user', 'assistant', 'system')
        or lower(benchmark.given(speaker)) in ('user', 'assistant', 'system')
    )
    and (ended_at < started_at) is not true;

-- An id that occurs twice is settled by its least and its greatest row. Ids that occur more often, or are
-- missing, are rare enough for a second look, which is skipped if there are none.
create unlogged table benchmark.repeated_session_ids as
select
    hashtextextended(trim(session_id), hashtextextended(trim(platform), 0)) as id_hash,
    count(benchmark.given(session_id)) as times,
    min(ctid) as first_row,
    max(ctid) as last_row
from voice_ai_raw.sessions
group by id_hash
having count(benchmark.given(session_id)) <> 1;

create unlogged table benchmark.repeated_sessions as
select unnest(array[first_row, last_row]) as id
from benchmark.repeated_session_ids
where times = 2
union all
select ctid
from voice_ai_raw.sessions
where
    exists (select 1 from benchmark.repeated_session_ids where times <> 2)
    and hashtextextended(trim(session_id), hashtextextended(trim(platform), 0))
    in (select id_hash from benchmark.repeated_session_ids where times <> 2);

analyze benchmark.repeated_sessions;

create unlogged table benchmark.dropped_sessions as
with ranked as (
    select
        rows.id,
        row_number() over (
            partition by rows.platform, rows.session_id
            order by
                updated_at desc nulls last, loaded_at desc nulls last,
                user_id desc nulls last, channel desc nulls last, language desc nulls last,
                started_at desc nulls last, ended_at desc nulls last,
                duration_seconds desc nulls last, turn_count desc nulls last,
                outcome_raw desc nulls last, transfer_reason desc nulls last,
                bot_version desc nulls last, asr_model desc nulls last, csat_score desc nulls last,
                cost_usd desc nulls last
        ) as version_number
    from benchmark.valid_sessions as rows
    where
        rows.id in (select id from benchmark.repeated_sessions)
        and rows.session_id is not null
)
select id from benchmark.repeated_sessions
except all
select id from ranked where version_number = 1;

-- Four independent hashes of a turn id, each one bit of a word. A word with as many bits as the session
-- has turns proves that no id repeats; a missing id sets no bit, so it proves nothing.
create or replace function benchmark.roll_up(turns text, result text) returns void
language plpgsql as $function$
begin
    execute format($query$
    create unlogged table benchmark.%I as
    select
        platform,
        session_id,
        count(*) as turn_count,
        count(case when speaker = 'user' then 1 end) as user_turn_count,
        count(case when speaker = 'assistant' then 1 end) as assistant_turn_count,
        -- A set of turn numbers below 63 is one word.
        bit_count(
            bit_or(case when turn_index < 63 then 1::bigint << turn_index end)::bit(64)
        ) as numbers,
        count(error_type) as error_turn_count,
        count(case when error_type = 'misunderstanding' then 1 end) as misunderstanding_turn_count,
        count(case when error_type = 'no_input' then 1 end) as no_input_turn_count,
        count(case when error_type = 'noise' then 1 end) as noise_turn_count,
        count(case when error_type = 'no_match' then 1 end) as no_match_turn_count,
        count(case when error_type = 'repeat' then 1 end) as repeat_turn_count,
        count(case when speaker = 'user' then asr_confidence end) as asr_confidence_count,
        count(case when speaker = 'user' and asr_confidence < 0.5 then 1 end) as low_asr_confidence_count,
        sum(case when speaker = 'user' then asr_confidence end) as asr_confidence_sum,
        count(intent_confidence) as intent_confidence_count,
        sum(intent_confidence) as intent_confidence_sum,
        count(is_interruption) as interruption_known_turn_count,
        count(case when is_interruption then 1 end) as interruption_turn_count,
        min(loaded_at) as first_loaded_at,
        max(loaded_at) as last_loaded_at,
        max(turn_index) as last_turn_index,
        bit_or(1::bigint << ((hashtextextended(turn_id, 0) >> 0) & 63)::integer) as ids_1,
        bit_or(1::bigint << ((hashtextextended(turn_id, 0) >> 6) & 63)::integer) as ids_2,
        bit_or(1::bigint << ((hashtextextended(turn_id, 0) >> 12) & 63)::integer) as ids_3,
        bit_or(1::bigint << ((hashtextextended(turn_id, 0) >> 18) & 63)::integer) as ids_4
    from benchmark.%I
    group by platform, session_id
    $query$, result, turns);
end
$function$;

select benchmark.roll_up('valid_turns', 'rolled_up');

-- Sessions whose turns are read again: an id may repeat, or turn numbers don't fit into one word.
create unlogged table benchmark.doubtful as
select platform, session_id
from benchmark.rolled_up
where
    last_turn_index >= 63
    or (
        turn_count in (
            bit_count(ids_1::bit(64)), bit_count(ids_2::bit(64)),
            bit_count(ids_3::bit(64)), bit_count(ids_4::bit(64))
        )
    ) is not true;

analyze benchmark.doubtful;

create unlogged table benchmark.turns_read_again as
select *
from benchmark.valid_turns as turns
where
    turn_id is not null
    and exists (
        select 1 from benchmark.doubtful as doubtful
        where doubtful.platform = turns.platform and doubtful.session_id = turns.session_id
    );

analyze benchmark.turns_read_again;

create unlogged table benchmark.repeated_turns as
select platform, session_id, turn_id
from benchmark.turns_read_again
group by platform, session_id, turn_id
having count(*) > 1;

analyze benchmark.repeated_turns;

-- Sorting every turn by all its columns would cost more than finding the few that repeat.
create unlogged table benchmark.current_turns as
with repeated as (
    select turns.*
    from benchmark.turns_read_again as turns
    inner join benchmark.repeated_turns using (platform, session_id, turn_id)
),

current_versions as (
    select distinct on (platform, session_id, turn_id) *
    from repeated
    order by
        platform, session_id, turn_id,
        updated_at desc nulls last, loaded_at desc nulls last,
        turn_index desc nulls last, speaker desc nulls last,
        started_at desc nulls last, ended_at desc nulls last,
        asr_confidence desc nulls last, intent desc nulls last,
        intent_confidence desc nulls last, error_type desc nulls last,
        response_latency_ms desc nulls last, is_interruption desc nulls last,
        transcript desc nulls last
)

select *
from benchmark.turns_read_again as turns
where
    not exists (
        select 1 from benchmark.repeated_turns as repeated
        where
            repeated.platform = turns.platform
            and repeated.session_id = turns.session_id
            and repeated.turn_id = turns.turn_id
    )
union all
select * from current_versions;

analyze benchmark.current_turns;

select benchmark.roll_up('current_turns', 'rolled_up_again');

create table benchmark.fact as
with turns as (
    select *
    from benchmark.rolled_up
    where
        not exists (
            select 1 from benchmark.doubtful as doubtful
            where
                doubtful.platform = rolled_up.platform
                and doubtful.session_id = rolled_up.session_id
        )
    union all
    select * from benchmark.rolled_up_again
),

high_turn_numbers as (
    select platform, session_id, count(distinct turn_index) as numbers
    from benchmark.current_turns
    where turn_index >= 63
    group by platform, session_id
),

users as (
    select distinct on (benchmark.given(user_id))
        benchmark.given(user_id) as user_id,
        lower(benchmark.given(region)) as region,
        has_disability,
        is_first_time_digital_user
    from voice_ai_raw.users
    where benchmark.given(user_id) is not null
    order by
        benchmark.given(user_id), loaded_at desc nulls last, region desc nulls last,
        has_disability desc nulls last, is_first_time_digital_user desc nulls last
),

-- There are only a few labels, so each is mapped once, not once per session.
outcomes as (
    select
        labels.platform,
        labels.outcome_raw,
        coalesce(own.outcome, general.outcome) as outcome
    from (
        select distinct benchmark.given(platform) as platform, benchmark.given(outcome_raw) as outcome_raw
        from voice_ai_raw.sessions
    ) as labels
    left join benchmark.outcomes as own
        on labels.platform = own.platform and benchmark.code(labels.outcome_raw) = own.outcome_code
    left join benchmark.outcomes as general
        on general.platform = '*' and benchmark.code(labels.outcome_raw) = general.outcome_code
),

languages as (
    select
        labels.language as language_given,
        -- BCP 47 letter case: en-US, zh-Hant-TW.
        coalesce(
            known.language,
            (
                select
                    string_agg(
                        case
                            when position = 1 then lower(subtag)
                            when length(subtag) = 2 then upper(subtag)
                            when length(subtag) = 4
                                then upper(left(subtag, 1)) || lower(substr(subtag, 2))
                            else lower(subtag)
                        end,
                        '-' order by position
                    )
                from
                    string_to_table(labels.tag, '-') with ordinality as subtags (subtag, position)
                where position <= 3 and (position = 1 or subtag <> '')
            )
        ) as language
    from (
        select distinct benchmark.given(language) as language, replace(benchmark.given(language), '_', '-') as tag
        from voice_ai_raw.sessions
    ) as labels
    left join benchmark.languages as known on lower(labels.language) = known.language_name
),

sessions as (
    select
        id,
        md5(length(platform)::text || ':' || platform || ':' || session_id) as session_key,
        platform,
        session_id,
        user_id,
        channel,
        language as language_given,
        asr_model,
        bot_version,
        started_at,
        coalesce(ended_at, started_at + duration_seconds * interval '1 second') as ended_at,
        coalesce(
            duration_seconds, extract(epoch from (ended_at - started_at))::double precision
        ) as duration_seconds,
        outcome_raw,
        transfer_reason,
        turn_count as declared_turn_count,
        csat_score,
        cost_usd,
        loaded_at
    from benchmark.valid_sessions
    where id not in (select id from benchmark.dropped_sessions)
),

journeys as (
    select
        id,
        row_number() over own_sessions as user_session_number,
        lead(started_at) over own_sessions as next_started_at
    from sessions
    where user_id is not null
    window own_sessions as (partition by user_id order by started_at, session_key)
),

joined as (
    select
        sessions.*,
        encode(sha256(convert_to(salt || sessions.user_id, 'UTF8')), 'hex') as user_key,
        languages.language,
        users.region,
        users.has_disability,
        users.is_first_time_digital_user,
        coalesce(outcomes.outcome, 'unknown') as outcome,
        coalesce(turns.turn_count, 0)::integer as turn_count,
        coalesce(turns.user_turn_count, 0)::integer as user_turn_count,
        coalesce(turns.assistant_turn_count, 0)::integer as assistant_turn_count,
        case when reporting.platform is not null then coalesce(turns.error_turn_count, 0) end::integer
            as error_turn_count,
        case when reporting.platform is not null then coalesce(turns.misunderstanding_turn_count, 0) end::integer
            as misunderstanding_turn_count,
        case when reporting.platform is not null then coalesce(turns.no_input_turn_count, 0) end::integer
            as no_input_turn_count,
        case when reporting.platform is not null then coalesce(turns.noise_turn_count, 0) end::integer
            as noise_turn_count,
        case when reporting.platform is not null then coalesce(turns.no_match_turn_count, 0) end::integer
            as no_match_turn_count,
        case when reporting.platform is not null then coalesce(turns.repeat_turn_count, 0) end::integer
            as repeat_turn_count,
        coalesce(turns.asr_confidence_count, 0)::integer as asr_confidence_count,
        coalesce(turns.low_asr_confidence_count, 0)::integer as low_asr_confidence_count,
        coalesce(turns.intent_confidence_count, 0)::integer as intent_confidence_count,
        coalesce(turns.interruption_known_turn_count, 0)::integer as interruption_known_turn_count,
        coalesce(turns.interruption_turn_count, 0)::integer as interruption_turn_count,
        coalesce(
            turns.turn_count - coalesce(turns.numbers, 0) - coalesce(high_turn_numbers.numbers, 0), 0
        )::integer as repeated_turn_index_count,
        turns.asr_confidence_sum,
        turns.asr_confidence_sum / nullif(turns.asr_confidence_count, 0) as asr_confidence_mean,
        turns.intent_confidence_sum,
        journeys.user_session_number,
        journeys.next_started_at,
        case
            when sessions.user_id is not null
                then coalesce(ended_at, started_at) + interval '1 day' <= newest_started_at
        end as is_callback_24h_known,
        least(sessions.loaded_at, turns.first_loaded_at) as first_loaded_at,
        greatest(sessions.loaded_at, turns.last_loaded_at) as last_loaded_at
    from sessions
    cross join benchmark.salt
    cross join (select max(started_at) as newest_started_at from sessions) as horizon
    left join journeys on sessions.id = journeys.id
    left join (select distinct platform from turns where error_turn_count > 0) as reporting
        on sessions.platform = reporting.platform
    left join turns
        on sessions.platform = turns.platform and sessions.session_id = turns.session_id
    left join high_turn_numbers
        on sessions.platform = high_turn_numbers.platform
        and sessions.session_id = high_turn_numbers.session_id
    left join outcomes
        on sessions.platform = outcomes.platform and sessions.outcome_raw = outcomes.outcome_raw
    left join languages on sessions.language_given = languages.language_given
    left join users on sessions.user_id = users.user_id
)

select
    session_key,
    platform,
    session_id,
    user_key,
    case
        when channel in ('voice', 'ivr', 'chat', 'transcript') then channel
        when channel is not null then 'other'
    end as channel,
    language,
    region,
    has_disability,
    is_first_time_digital_user,
    asr_model,
    bot_version,
    started_at,
    true as is_started_at_time_known,
    ended_at,
    duration_seconds,
    outcome,
    outcome_raw,
    transfer_reason,
    outcome not in ('not_connected', 'voicemail', 'in_progress', 'unknown') as is_eligible,
    user_turn_count >= 1 as is_engaged,
    outcome = 'completed' as is_completed,
    outcome = 'abandoned' as is_abandoned,
    outcome = 'transferred' as is_transferred,
    outcome not in ('not_connected', 'voicemail', 'in_progress', 'unknown', 'transferred') as is_contained,
    transfer_reason is not null and outcome <> 'transferred' as has_unexplained_transfer_reason,
    declared_turn_count,
    turn_count,
    user_turn_count,
    assistant_turn_count,
    turn_count - user_turn_count - assistant_turn_count as system_turn_count,
    repeated_turn_index_count,
    error_turn_count,
    misunderstanding_turn_count,
    no_input_turn_count,
    noise_turn_count,
    no_match_turn_count,
    repeat_turn_count,
    error_turn_count - misunderstanding_turn_count - no_input_turn_count - noise_turn_count
    - no_match_turn_count - repeat_turn_count as other_turn_count,
    asr_confidence_count,
    low_asr_confidence_count,
    intent_confidence_count,
    interruption_known_turn_count,
    interruption_turn_count,
    error_turn_count > 0 as has_error,
    error_turn_count::double precision / nullif(turn_count, 0) as error_turn_proportion,
    asr_confidence_sum,
    asr_confidence_mean,
    case
        when asr_confidence_mean < 0.1 then '0.0 to 0.1'
        when asr_confidence_mean < 0.2 then '0.1 to 0.2'
        when asr_confidence_mean < 0.3 then '0.2 to 0.3'
        when asr_confidence_mean < 0.4 then '0.3 to 0.4'
        when asr_confidence_mean < 0.5 then '0.4 to 0.5'
        when asr_confidence_mean < 0.6 then '0.5 to 0.6'
        when asr_confidence_mean < 0.7 then '0.6 to 0.7'
        when asr_confidence_mean < 0.8 then '0.7 to 0.8'
        when asr_confidence_mean < 0.9 then '0.8 to 0.9'
        when asr_confidence_mean is not null then '0.9 to 1.0'
    end as asr_confidence_band,
    intent_confidence_sum,
    intent_confidence_sum / nullif(intent_confidence_count, 0) as intent_confidence_mean,
    csat_score,
    csat_score >= 5 as is_csat_top_box,
    cost_usd,
    user_session_number,
    user_session_number > 1 as is_repeat_user_session,
    is_callback_24h_known,
    case
        when is_callback_24h_known
            then coalesce(next_started_at <= coalesce(ended_at, started_at) + interval '1 day', false)
    end as is_called_back_24h,
    case
        when user_key is not null
            then coalesce(next_started_at <= coalesce(ended_at, started_at) + interval '7 day', false)
    end as is_followed_by_return_7d,
    false as is_deleted_upstream,
    first_loaded_at,
    last_loaded_at
from joined;
