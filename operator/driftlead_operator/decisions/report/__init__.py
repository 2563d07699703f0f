"""What people are told: conditions, status, events, each a reason and a sentence."""
