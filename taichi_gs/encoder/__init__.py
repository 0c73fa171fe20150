"""What is asked for, and how it is reached: options, rates, searches, restarts."""
