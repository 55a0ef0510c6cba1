-- There are no reference transcripts.
select
    cast(null as {{ dbt.type_string() }}) as turn_id,
    cast(null as {{ dbt.type_string() }}) as platform,
    cast(null as {{ dbt.type_string() }}) as reference_text
where false
