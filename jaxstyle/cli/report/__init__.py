"""What commands say and leave behind: progress, sheets, manifests, rescued results."""
