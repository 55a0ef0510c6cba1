{{ dbt_utils.date_spine(
    datepart="hour",
    start_date="cast('2026-03-29 22:00:00' as timestamp)",
    end_date="cast('2026-03-30 01:30:00' as timestamp)"
) }}
