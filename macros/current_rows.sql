{#- Current row of each id, as a subquery in parentheses: valid rows whose id occurs once, and version 1 of the others.
    `versions` is the relation that the macro `versions` built. -#}
{% macro current_rows(rows, versions, ids, columns) -%}
(
    select {{ columns | join(', ') }}
    from {{ rows }} as given
    where
        quarantine_reasons is null
        and not exists (
            select 1
            from {{ versions }} as repeated
            where
                repeated.version_number is not null
                {%- for id in ids %}
                and repeated.{{ id }} = given.{{ id }}
                {%- endfor %}
        )
    union all
    select {{ columns | join(', ') }}
    from {{ versions }}
    where version_number = 1
)
{%- endmacro %}
