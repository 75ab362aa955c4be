"""How long a training job takes that nobody has run before: from its shapes and its GPU.

A job is operators, an operator is kernels, and a kernel is bounded by arithmetic or by memory.
`spec` says what a user may declare, `families` and `convnets` turn a known model into operators,
`matmul` and `kernels` time them, `steps` and `memory` add what several GPUs cost, and `forecast`
puts a job together. `fitting` turns eight measured products into a GPU type's traits; `fitted`
holds those of the GPU types that others have measured.
"""
