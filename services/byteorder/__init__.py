"""What byte order is, shown by the machine that it is run on."""
