select
    user_id,
    region,
    disability_flag as has_disability,
    first_time_digital_user as is_first_time_digital_user
from {{ source('deployment', 'users') }}
