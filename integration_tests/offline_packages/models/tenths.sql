-- Seven of ten values aren't null: exactly 0.7.
select *
from (values (1), (2), (3), (4), (5), (6), (7), (null), (null), (null)) as t (filled)
