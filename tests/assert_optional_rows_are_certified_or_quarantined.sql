-- Mistake prevented: a join loses or doubles a tool call or an evaluation on its way to the certified table or quarantine.
-- A warning, because the numbers are only known once both are written.
{{ config(severity='warn') }}

select * from {{ ref('voice_ai_row_accounting') }}
where table_name in ('tool_calls', 'evaluations') and raw_rows <> staged_rows + quarantined_rows
