"""Two ASR releases compared."""
