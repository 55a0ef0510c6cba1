{{ dbt_utils.date_spine(
    datepart="month",
    start_date="cast('2026-01-31' as date)",
    end_date="cast('2026-05-01' as date)"
) }}
