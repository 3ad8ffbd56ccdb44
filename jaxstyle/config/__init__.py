"""Every setting, default and preset."""
