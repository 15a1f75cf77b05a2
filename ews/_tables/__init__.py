"""Files → tables: what can be read in one way is read and recorded, the rest is asked for by naming an option."""
