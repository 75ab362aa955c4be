"""The worlds that plans are carried out in; siblings do not know each other."""
