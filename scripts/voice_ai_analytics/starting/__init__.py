"""Setting up a dbt project: what is there is read, what is missing is written."""
