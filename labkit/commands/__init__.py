"""What the command line shows: tables, bars and words; the work itself is done by the library."""
