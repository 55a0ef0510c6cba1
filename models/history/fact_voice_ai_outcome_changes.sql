{{ config(contract={'enforced': true}, enabled=var('voice_ai_snapshot', true)) }}

{%- set values = ['outcome', 'outcome_raw', 'transfer_reason', 'csat_score', 'asr_model', 'is_deleted_upstream'] %}

-- Compares each version with the one before it in order, not in time: a session that was in quarantine for a while has
-- a gap between its versions.
with versions as (

    select
        *,
        {%- for value in values %}
        lag({{ value }}) over session_versions as {{ value }}_before,
        {%- endfor %}
        row_number() over session_versions as version_number
    from {{ ref('voice_ai_session_outcomes') }}
    -- Most sessions have one version, which replaces none: not worth numbering.
    where
        session_key in (
            select session_key from {{ ref('voice_ai_session_outcomes') }}
            where dbt_valid_to is not null
        )
    window session_versions as (partition by session_key order by dbt_valid_from)

),

replaced as (

    select
        dbt_scd_id as change_key,
        session_key,
        platform,
        session_id,
        started_at as session_started_at,
        {%- for value in values %}
        {{ value }}_before,
        {{ value }} as {{ value }}_after,
        {%- endfor %}
        dbt_valid_from as changed_at
    from versions
    where version_number > 1

),

compared as (

    select
        *,
        outcome_before <> outcome_after as is_outcome_change,
        (
            outcome_raw_before is distinct from outcome_raw_after
            or transfer_reason_before is distinct from transfer_reason_after
        ) as is_resolution_change,
        (csat_score_before is distinct from csat_score_after) as is_score_change,
        (asr_model_before is distinct from asr_model_after) as is_asr_model_change,
        is_deleted_upstream_before <> is_deleted_upstream_after as is_deletion_change
    from replaced

)

select
    change_key,
    session_key,
    platform,
    session_id,
    session_started_at,
    cast(row_number() over (partition by session_key order by changed_at) as integer) as change_number,
    changed_at,
    {{ voice_ai_analytics.seconds_between('session_started_at', 'changed_at') }} / 86400 as days_after_start,
    {%- for value in values %}
    {{ value }}_before,
    {{ value }}_after,
    {%- endfor %}
    is_outcome_change,
    is_resolution_change,
    is_score_change,
    is_asr_model_change,
    is_deletion_change
from compared
where is_outcome_change or is_resolution_change or is_score_change or is_asr_model_change or is_deletion_change
