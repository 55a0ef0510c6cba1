"""Speech recognition against reference transcripts: word errors and calibration."""
