{{ dbt_utils.date_spine(
    datepart="week",
    start_date="cast('2026-01-01' as date)",
    end_date="cast('2026-01-20' as date)"
) }}
