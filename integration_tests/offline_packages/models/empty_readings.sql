select * from {{ readings() }}
where id < 0
