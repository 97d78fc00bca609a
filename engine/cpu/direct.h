// Convolution of few input channels (an image with 1 to 4 of them), in f32 and f64, without a patch matrix. A line of
// outputs needs one line of inputs per row of the kernel. Padded copies of these lines stay in cache, and the register
// tile reads its operand there: KW * Cin neighbours per row of the kernel. Any stride is possible; the dilation along
// the lines must be 1.
#pragma once

#include "engine/cpu/conv_shape.h"

namespace voxgrad::cpu::VOXGRAD_ISA::direct {

bool fits(const ConvShape& s);

// weight [Cout, *K, Cin], bias [Cout] or null.
template <class T>
void convolve(const ConvShape& s, const T* x, const T* weight, const T* bias, T* y);
template <class T>
void weight_gradient(const ConvShape& s, const T* x, const T* dy, T* dweight);

}  // namespace voxgrad::cpu::VOXGRAD_ISA::direct
