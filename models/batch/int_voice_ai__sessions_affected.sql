{{ config(pre_hook="{{ voice_ai_analytics.hold_the_build() }}") }}

{%- set build = voice_ai_analytics.this_build() -%}
{%- set sessions = ref('stg_voice_ai__sessions_checked') -%}
{%- set turns = ref('stg_voice_ai__turns_checked') -%}
{%- set ledger = ref('int_voice_ai__turn_ledger') -%}
{%- set repeated = ref('int_voice_ai__repeated_turn_ids') -%}
{%- set text = dbt.type_string() -%}

{%- if build.is_full -%}
{#- A full build reads everything, and need not say what. -#}
select
    cast(null as {{ text }}) as platform,
    cast(null as {{ text }}) as session_id,
    cast(null as {{ text }}) as session_key,
    cast(null as {{ text }}) as certified_user_key,
    cast(null as integer) as certified_turn_count,
    cast(null as boolean) as is_certified,
    cast(null as boolean) as is_deleted_upstream,
    cast(null as boolean) as is_read_in_part,
    cast(null as timestamp) as first_loaded_at
where false
{%- else -%}

with recursive with_new_session_row as (

    select distinct platform, session_id
    from {{ sessions }}
    where platform is not null and session_id is not null and {{ voice_ai_analytics.is_new_row(build, 'sessions') }}

),

new_turns as (

    select distinct
        platform,
        session_id,
        {{ voice_ai_analytics.id_hash('platform', 'turn_id') }} as turn_hash
    from {{ turns }}
    where platform is not null and session_id is not null and {{ voice_ai_analytics.is_new_row(build, 'turns') }}

),

with_new_rows as (

    select platform, session_id from with_new_session_row
    union
    select platform, session_id from new_turns
    {%- if build.is_session_count_off %}
    -- Rows have left the source, or come back to it.
    union
    select fact.platform, fact.session_id
    from {{ build.fact }} as fact
    left join (select distinct platform, session_id from {{ sessions }}) as given
        on fact.platform = given.platform and fact.session_id = given.session_id
    where (given.session_id is null) <> fact.is_deleted_upstream
    {%- endif %}

),

-- Nothing is built of turns whose session has no row, so the older of them can rest in quarantine while newer ones of
-- the same name arrive, as from platforms that call every lost session 'unknown'. Unless one has come again.
with_turns_alone as (

    select platform, session_id from new_turns
    except
    select platform, session_id from with_new_session_row
    except
    select platform, session_id from {{ build.quarantined_sessions }}

),

with_repeated_turns as (

    select distinct repeated.session_hash
    from {{ repeated }} as repeated
    inner join new_turns on repeated.turn_hash = new_turns.turn_hash

),

new_hashes as (

    select {{ voice_ai_analytics.id_hash('platform', 'session_id') }} as node
    from with_new_rows
    union
    -- Turns that stood in the window and may have left it.
    select session_hash
    from {{ ledger }}
    where loaded_at >= {{ build.turns_from }}

),

-- Sessions that a turn was seen in belong together: the turn counts in one of them. From session to turn and back.
links as (

    select session_hash as node, turn_hash as linked_node from {{ repeated }}
    union all
    select turn_hash, session_hash from {{ repeated }}

),

reached as (

    select node from new_hashes
    union
    select links.linked_node
    from reached
    inner join links on reached.node = links.node

),

-- By `in`, and once, so that no engine hashes all of history more often than it must to look up a few.
certified as (

    select platform, session_id, user_key, turn_count, is_deleted_upstream, first_loaded_at
    from {{ build.fact }} as known
    where {{ voice_ai_analytics.id_hash('known.platform', 'known.session_id') }} in (select node from reached)

),

affected as (

    select platform, session_id from with_new_rows
    union
    select platform, session_id from certified
    {%- for relation in [build.quarantined_sessions, build.quarantined_turns] %}
    union
    select known.platform, known.session_id
    from {{ relation }} as known
    where {{ voice_ai_analytics.id_hash('known.platform', 'known.session_id') }} in (select node from reached)
    {%- endfor %}

),

quarantined as (
    {% for relation in [build.quarantined_sessions, build.quarantined_turns] %}
    select platform, session_id, loaded_at from {{ relation }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

first_quarantined as (

    select quarantined.platform, quarantined.session_id, min(quarantined.loaded_at) as loaded_at
    from quarantined
    inner join affected
        on quarantined.platform = affected.platform and quarantined.session_id = affected.session_id
    group by quarantined.platform, quarantined.session_id

),

keyed as (

    select
        affected.platform,
        affected.session_id,
        {{ voice_ai_analytics.key('affected.platform', 'affected.session_id') }} as session_key,
        with_turns_alone.session_id is not null and with_repeated_turns.session_hash is null as has_turns_alone
    from affected
    left join with_turns_alone
        on affected.platform = with_turns_alone.platform and affected.session_id = with_turns_alone.session_id
    left join with_repeated_turns
        on
            {{ voice_ai_analytics.id_hash('affected.platform', 'affected.session_id') }}
            = with_repeated_turns.session_hash

)

select
    keyed.platform,
    keyed.session_id,
    keyed.session_key,
    certified.user_key as certified_user_key,
    certified.turn_count as certified_turn_count,
    certified.session_id is not null as is_certified,
    coalesce(certified.is_deleted_upstream, false) as is_deleted_upstream,
    keyed.has_turns_alone and certified.session_id is null as is_read_in_part,
    least(
        certified.first_loaded_at,
        case when not (keyed.has_turns_alone and certified.session_id is null) then first_quarantined.loaded_at end
    ) as first_loaded_at
from keyed
left join certified
    on keyed.platform = certified.platform and keyed.session_id = certified.session_id
left join first_quarantined
    on keyed.platform = first_quarantined.platform and keyed.session_id = first_quarantined.session_id
{%- endif %}
