{# A macro, so that the tables don't depend on each other: dbt skips everything downstream of a failed test. #}
{# Row 6 is all null, row 3 is out of order, rows 4 and 5 are out of range, and row 7 partly repeats row 1. #}
{% macro readings() %}
(
    select *
    from (
        values
        (1, 'a', cast(0.0 as double precision), 1, 2, 'ab12', 'en', 1),
        (2, 'a', 1.0, 2, 2, 'CD34', 'de', 2),
        (3, 'b', 0.5, 3, 2, 'x-ef56', 'fr', 3),
        (4, 'b', 1.7, 1, null, 'gh789', 'en', 9),
        (5, 'b', -0.1, null, 4, '', 'EN', null),
        (6, null, null, null, null, null, null, null),
        (7, null, 0.5, 5, 6, 'ab12', 'en', 9)
    ) as t (id, batch, score, started, ended, code, language, parent_id)
) as readings
{% endmacro %}
