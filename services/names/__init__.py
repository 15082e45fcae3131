"""What names stand for: asked of the ordinary resolver, as every program asks it."""
