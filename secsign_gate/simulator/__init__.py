"""A SecSign ID server and a phone to try things with: both dialects over TLS, strict, and able to misbehave on request.

It imports nothing else of secsign_gate, so that the gate and its counterpart cannot misread the protocol alike.
Read `auth_sessions` first (what an ID server remembers), then `id_server` (one request, top to bottom).
"""
