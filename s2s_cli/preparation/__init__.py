"""From raw parallel text to tokenised pairs: what ``s2s prep`` does. No torch in here."""
