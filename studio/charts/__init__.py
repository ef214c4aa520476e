"""What all charts share."""
