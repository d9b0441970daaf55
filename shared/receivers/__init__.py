"""Client of callback receivers, which are untrusted servers on the network."""
