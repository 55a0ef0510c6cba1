"""Statistical disclosure control: which numbers to hide, and the proof that they stay hidden."""
