// Patch matrices. Row i holds, tap after tap, the source voxels that grid point i needs; where a tap leaves the source
// it holds zeros.
#pragma once

#include "engine/cpu/conv_shape.h"

namespace voxgrad::cpu::VOXGRAD_ISA {

// Fills patches [end - begin, taps * channels] for the points [begin, end) of the grid, counted over the batch, with
// the taps [first_tap, last_tap).
template <class T>
void gather_patches(const PatchGrid& grid, const T* source, std::int64_t begin, std::int64_t end,
                    std::int64_t first_tap, std::int64_t last_tap, T* patches);

// Copies the rows [begin, end) of a result [.., channels] to their voxels in the destination.
template <class T>
void scatter_rows(const PatchGrid& grid, const T* rows, std::int64_t begin, std::int64_t end, std::int64_t channels,
                  T* destination);

}  // namespace voxgrad::cpu::VOXGRAD_ISA
