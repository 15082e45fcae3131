"""What runs inside the lab's hosts. Standard library only; `services.wire` imports nothing of the rest."""
