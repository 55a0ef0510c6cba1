{#- Selects the turns of a relation that have a speaker, with their turn_number in the session. The relation has session_id,
    item_number, speaker and is_backchannel, as text. Platforms measure each answer, in order: `measurement` is the item of
    the relation `measurements` that belongs to a turn. An answer is an assistant's turn, other than a backchannel, after a
    user's. If a session has more or fewer answers than measurements, which is whose isn't known. -#}
{% macro numbered_turns(relation, measurements) -%}
    select
        numbered.*,
        measured.item as measurement
    from (
        select
            *,
            case when is_answer = 1 then sum(is_answer) over (partition by session_id order by item_number) end as answer_number,
            sum(is_answer) over (partition by session_id) as answers
        from (
            select
                *,
                cast(row_number() over (partition by session_id order by item_number) as bigint) as turn_number,
                case
                    when
                        speaker = 'assistant'
                        and coalesce(is_backchannel, 'false') <> 'true'
                        and lag(speaker) over (
                            partition by session_id, coalesce(is_backchannel, 'false') order by item_number
                        ) = 'user'
                        then 1
                end as is_answer
            from {{ relation }}
            where speaker is not null
        ) as ordered
    ) as numbered
    left join (
        select *, count(*) over (partition by session_id) as measurements from {{ measurements }}
    ) as measured
        on
            numbered.session_id = measured.session_id
            and numbered.answer_number = measured.item_number
            and numbered.answers = measured.measurements
{%- endmacro %}
