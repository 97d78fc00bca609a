// Include this file LAST in a kernel file, after the standard library and the engine. Everything below the include is
// compiled for the instruction set VOXGRAD_ISA (baseline, avx2, avx512) and belongs into a namespace of that name.
// Templates that were defined above it keep the baseline, so the linker can never pick an AVX-512 copy of a standard
// function. The build compiles every kernel file once per instruction set, and select.cpp chooses one at run time.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "engine/backend.h"
#include "engine/parallel.h"

#define VOXGRAD_ISA_baseline 0
#define VOXGRAD_ISA_avx2 1
#define VOXGRAD_ISA_avx512 2
#define VOXGRAD_ISA_JOIN(prefix, name) prefix##name
#define VOXGRAD_ISA_LEVEL_OF(name) VOXGRAD_ISA_JOIN(VOXGRAD_ISA_, name)
#define VOXGRAD_ISA_LEVEL VOXGRAD_ISA_LEVEL_OF(VOXGRAD_ISA)

// Clang has no such pragma; there the build passes -m flags to these files instead.
#if defined(__GNUC__) && !defined(__clang__)
#if VOXGRAD_ISA_LEVEL == 2
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,prefer-vector-width=512")
#elif VOXGRAD_ISA_LEVEL == 1
#pragma GCC target("avx2,fma,f16c")
#endif
#endif

#include "engine/cpu/cpu_backend.h"
#include "engine/cpu/simd.h"
