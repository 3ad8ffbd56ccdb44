"""What is minimised: losses, statistics, conventions; whole, by tiles or over devices."""
