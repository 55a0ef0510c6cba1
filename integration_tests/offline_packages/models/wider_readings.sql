select
    *,
    'extra' as note
from {{ readings() }}
