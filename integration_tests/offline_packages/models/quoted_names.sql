select *
from (values (1, 1), (1, 2), (1, 2), (null, 3)) as t ("order", "Line No")
