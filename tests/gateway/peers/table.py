def check(name, calls):
    import json
    for m, o in sorted(calls.methods.items()): print(m, sorted(map(str, o)))
    for c, o in sorted(calls.channels.items()): print(c, o)
    for r in calls.refusals: print(r)
