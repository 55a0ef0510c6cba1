select * from {{ readings() }}
union all
select * from {{ readings() }}
