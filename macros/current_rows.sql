{#- The current row of each id, as a subquery in parentheses: good rows whose id comes once, and of the others the first
    version. `versions` is the relation that macro `versions` made. -#}
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
