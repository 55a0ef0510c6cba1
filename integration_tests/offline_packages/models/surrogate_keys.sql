select
    id,
    {{ dbt_utils.generate_surrogate_key(['number', 'label', 'is_on', 'day']) }} as full_key,
    {{ dbt_utils.generate_surrogate_key(['label']) }} as label_key
from (
    values
    (1, 7, 'plain', true, cast('2026-01-31' as date)),
    (2, -7, '', false, cast('2026-02-01' as date)),
    (3, null, null, null, null),
    (4, 7, 'a-b', true, null),
    (5, null, 'naïve 🎧 ''q''', null, null)
) as t (id, number, label, is_on, day)
