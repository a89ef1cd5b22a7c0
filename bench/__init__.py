"""What the engine costs, measured: every figure with its workload, seed, machine and the digest of what was computed.

`bench.suite` lists the benchmarks and `lionrock bench` runs them; `pytest bench --benchmark-enable` runs the same
workloads under pytest-benchmark.
"""
