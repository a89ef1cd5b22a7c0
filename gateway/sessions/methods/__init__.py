"""The methods of the protocol by group; each handler takes (session, params, call) and gives a result or actions."""
