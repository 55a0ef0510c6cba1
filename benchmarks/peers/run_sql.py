"""Run one SQL file and print the seconds it took: `run_sql.py FILE`.

The environment names the database. The clock starts once it is open, as it does for dbt's models.
"""

import os
import sys
import time
from pathlib import Path

statements = Path(sys.argv[1]).read_text(encoding="utf-8")
if path := os.environ.get("VOICE_AI_DUCKDB"):
    import duckdb

    connection = duckdb.connect(path, config={"memory_limit": os.environ["VOICE_AI_MEMORY_LIMIT"]})
    execute = connection.execute
else:
    import psycopg2

    connection = psycopg2.connect(
        host=os.environ["VOICE_AI_POSTGRES_HOST"],
        port=os.environ["VOICE_AI_POSTGRES_PORT"],
        user=os.environ["VOICE_AI_POSTGRES_USER"],
        dbname=os.environ["VOICE_AI_POSTGRES_DATABASE"],
    )
    connection.autocommit = True
    execute = connection.cursor().execute

start = time.perf_counter()
execute(statements)
print(time.perf_counter() - start)
connection.close()
