-- Mistake prevented: a filter or an inner join loses or doubles an input row on its way to staging or quarantine.
select *
from {{ ref('int_voice_ai__row_accounting') }}
where raw_rows <> staged_rows + quarantined_rows
