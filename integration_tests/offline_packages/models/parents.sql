select *
from (values (1, true), (2, true), (3, false), (null, true)) as t (id, is_active)
