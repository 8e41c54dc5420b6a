"""What every widget is built on."""
