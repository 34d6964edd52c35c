"""What runs at the coordinator: federation, studies and their automation."""
