"""What papers' own code would have printed for the same maps: their protocols, replayed."""
