"""Music, seen: a piano roll that plays, says why, and lets a model go on."""
