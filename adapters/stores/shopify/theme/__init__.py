"""What the theme app extension's script is made from."""
