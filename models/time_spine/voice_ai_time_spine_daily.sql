{{ config(enabled=var('voice_ai_time_spine', true)) }}

-- Deliberately wide: MetricFlow may pick this spine over the consumer's own, and must not truncate their dates.
select cast(date_day as date) as date_day
from (
    {{ dbt_utils.date_spine(
        datepart='day', start_date="cast('1970-01-01' as date)", end_date="cast('2100-01-01' as date)"
    ) }}
) as spine
