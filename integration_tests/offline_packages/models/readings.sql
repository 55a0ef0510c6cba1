select * from {{ readings() }}
