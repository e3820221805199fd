"""What works for long: the signals that end it, what is shown meanwhile, and when it runs again."""
