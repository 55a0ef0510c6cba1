{%- set build = voice_ai_analytics.this_build() -%}
{%- set affected = ref('int_voice_ai__sessions_affected') -%}
{%- set read = ref('stg_voice_ai__sessions_read') -%}
{%- set checked = ref('stg_voice_ai__sessions_checked') -%}

{%- if not build.fact %}
select cast(null as {{ dbt.type_string() }}) as session_key
where false
{%- elif build.is_full %}
select fact.*
from {{ build.fact }} as fact
left join (select distinct platform, session_id from {{ checked }}) as given
    on fact.platform = given.platform and fact.session_id = given.session_id
where given.session_id is null
{%- else %}
-- Affected, and without a row among those that were read: looked for in all of the source before it is called gone.
with missing as (

    select affected.platform, affected.session_id, affected.session_key
    from {{ affected }} as affected
    left join {{ read }} as found
        on affected.platform = found.platform and affected.session_id = found.session_id
    where affected.is_certified and found.session_id is null

),

found_after_all as (

    select distinct missing.session_key
    from {{ checked }} as given
    inner join missing on given.platform = missing.platform and given.session_id = missing.session_id

)

select fact.*
from {{ build.fact }} as fact
inner join missing on fact.session_key = missing.session_key
left join found_after_all on fact.session_key = found_after_all.session_key
where found_after_all.session_key is null
{%- endif %}
