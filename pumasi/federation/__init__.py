"""How hospitals are asked: Query, Answer, Total, Network. Knows nothing of their inside."""
