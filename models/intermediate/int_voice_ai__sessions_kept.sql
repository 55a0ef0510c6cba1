{%- set build = voice_ai_analytics.this_build() -%}
{%- set affected = ref('int_voice_ai__sessions_affected') -%}
{%- set read = ref('stg_voice_ai__sessions_read') -%}
{%- set checked = ref('stg_voice_ai__sessions_checked') -%}

{%- if not build.fact %}
select cast(null as {{ dbt.type_string() }}) as session_key
where false
{%- else %}
with fact as (

    select * from {{ build.fact }}

)
{%- if not build.is_full %},

-- Affected, and without a row among those that were read: looked for in all of the source before it is called gone.
missing as (

    select affected.platform, affected.session_id
    from {{ affected }} as affected
    left join {{ read }} as found
        on affected.platform = found.platform and affected.session_id = found.session_id
    where affected.is_certified and found.session_id is null

)
{%- endif %}

select fact.*
from fact
{%- if not build.is_full %}
inner join missing on fact.platform = missing.platform and fact.session_id = missing.session_id
{%- endif %}
left join (select distinct platform, session_id from {{ checked }}) as given
    on fact.platform = given.platform and fact.session_id = given.session_id
where given.session_id is null
{%- endif %}
