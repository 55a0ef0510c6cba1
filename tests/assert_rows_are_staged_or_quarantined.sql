-- Mistake prevented: a filter or an inner join loses or doubles an input row on its way to staging or quarantine
-- (lost_rows), or rows arrive with a loaded_at that no window reaches (unread_rows): read those by a backfill, dbt
-- build --event-time-start ... --event-time-end ..., or raise voice_ai_lookback_days.
select *
from {{ ref('int_voice_ai__row_accounting') }}
where lost_rows <> 0 or unread_rows <> 0
