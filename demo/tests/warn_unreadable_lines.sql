-- Mistake prevented: lines that can't be split into the file's columns disappear without a trace.
{{ config(severity='warn') }}

select * from {{ source('deployment', 'unreadable_lines') }}
