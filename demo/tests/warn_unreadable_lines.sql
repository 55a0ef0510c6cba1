-- Mistake prevented: lines that no CSV reader can split into the file's columns vanish without a trace.
{{ config(severity='warn') }}

select * from {{ source('deployment', 'unreadable_lines') }}
