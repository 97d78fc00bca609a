#include "engine/cpu/direct.h"

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"
#include "engine/cpu/microkernel.h"

namespace voxgrad::cpu::VOXGRAD_ISA::direct {
namespace {

constexpr std::int64_t kDirectTasks = 16;

// Sizes that follow from the shape. An output line is one row of y, and a kernel line is one row of the kernel.
template <class T>
struct LineSizes {
  std::int64_t count;           // output lines
  std::int64_t kernel_lines;    // KD * KH
  std::int64_t terms;           // KW * Cin: neighbours in an input line that one output needs
  std::int64_t length;          // elements of a padded input line
  std::int64_t padded_outputs;  // Cout up to whole vectors

  explicit LineSizes(const ConvShape& s)
      : count(s.batch * s.out[0] * s.out[1]),
        kernel_lines(s.kernel[0] * s.kernel[1]),
        terms(s.kernel[2] * s.cin),
        length(((s.out[2] - 1) * s.stride[2] + s.kernel[2]) * s.cin),
        padded_outputs(block_count(s.cout, kLanes<T>) * kLanes<T>) {}
};

// Copies the input lines of an output line, with zeros where they leave the image.
template <class T>
void copy_lines(const ConvShape& s, const LineSizes<T>& lines, const T* x, std::int64_t line, T* to) {
  const std::int64_t sample = line / (s.out[0] * s.out[1]);
  const std::int64_t first_z = line / s.out[1] % s.out[0] * s.stride[0] - s.padding[0];
  const std::int64_t first_y = line % s.out[1] * s.stride[1] - s.padding[1];
  const std::int64_t voxels = lines.length / s.cin;
  const std::int64_t before = std::min(std::max<std::int64_t>(0, s.padding[2]), voxels);
  const std::int64_t from = std::max<std::int64_t>(0, -s.padding[2]);
  const std::int64_t inside = std::clamp<std::int64_t>(s.in[2] - from, 0, voxels - before);
  for (std::int64_t kz = 0; kz < s.kernel[0]; ++kz)
    for (std::int64_t ky = 0; ky < s.kernel[1]; ++ky, to += lines.length) {
      const std::int64_t z = first_z + kz * s.dilation[0], y = first_y + ky * s.dilation[1];
      if (z < 0 || z >= s.in[0] || y < 0 || y >= s.in[1]) {
        std::fill(to, to + lines.length, T{0});
        continue;
      }
      const T* const source = x + (((sample * s.in[0] + z) * s.in[1] + y) * s.in[2] + from) * s.cin;
      std::fill(to, to + before * s.cin, T{0});
      std::copy(source, source + inside * s.cin, to + before * s.cin);
      std::fill(to + (before + inside) * s.cin, to + lines.length, T{0});
    }
}

// Calls body(first channel, channels) for the panels of output channels.
template <class T, class Body>
void for_each_panel(const ConvShape& s, Body&& body) {
  for (std::int64_t first = 0; first < s.cout; first += kTileColumns<T>)
    body(first, std::min<std::int64_t>(kTileColumns<T>, s.cout - first));
}

}  // namespace

bool fits(const ConvShape& s) { return s.dilation[2] == 1; }

template <class T>
void convolve(const ConvShape& s, const T* x, const T* weight, const T* bias, T* y) {
  const LineSizes<T> lines(s);
  const std::int64_t depth = lines.kernel_lines * lines.terms;
  const Scratch<T> packed(depth * lines.padded_outputs);  // [kernel line][term][output channel]
  std::fill(packed.data(), packed.data() + depth * lines.padded_outputs, T{0});
  for (std::int64_t co = 0; co < s.cout; ++co)
    for (std::int64_t k = 0; k < depth; ++k) packed.data()[k * lines.padded_outputs + co] = weight[co * depth + k];
  const std::int64_t grain = std::max<std::int64_t>(1, lines.count / (4 * kDirectTasks));
  parallel_for(lines.count, grain, [&](std::int64_t begin, std::int64_t end) {
    const Scratch<T> input(lines.kernel_lines * lines.length);
    for (std::int64_t line = begin; line < end; ++line) {
      copy_lines(s, lines, x, line, input.data());
      T* const out = y + line * s.out[2] * s.cout;
      for (std::int64_t i = 0; i < s.out[2] && bias != nullptr; ++i) std::copy(bias, bias + s.cout, out + i * s.cout);
      for_each_panel<T>(s, [&](std::int64_t first, std::int64_t channels) {
        multiply_columns<T>(s.out[2], channels,
                            {.a = input.data(),
                             .row_stride = s.stride[2] * s.cin,
                             .k_stride = 1,
                             .b = packed.data() + first,
                             .ldb = lines.padded_outputs,
                             .k = lines.terms,
                             .c = out + first,
                             .ldc = s.cout,
                             .add = bias != nullptr,
                             .terms = lines.kernel_lines,
                             .a_term = lines.length,
                             .b_term = lines.terms * lines.padded_outputs});
      });
    }
  });
}

template <class T>
void weight_gradient(const ConvShape& s, const T* x, const T* dy, T* dweight) {
  const LineSizes<T> lines(s);
  const std::int64_t depth = lines.kernel_lines * lines.terms, elements = depth * lines.padded_outputs;
  const bool whole = lines.padded_outputs == s.cout;
  const Scratch<T> sums(kDirectTasks * elements);  // [slice][kernel line][term][output channel]
  parallel_for(kDirectTasks, 1, [&](std::int64_t slice, std::int64_t) {
    const Scratch<T> input(lines.kernel_lines * lines.length);
    const Scratch<T> padded(whole ? 0 : s.out[2] * lines.padded_outputs);  // a line of dy with whole vectors
    T* const sum = sums.data() + slice * elements;
    std::fill(sum, sum + elements, T{0});
    if (!whole) std::fill(padded.data(), padded.data() + s.out[2] * lines.padded_outputs, T{0});
    const std::int64_t end = lines.count * (slice + 1) / kDirectTasks;
    for (std::int64_t line = lines.count * slice / kDirectTasks; line < end; ++line) {
      copy_lines(s, lines, x, line, input.data());
      const T* gradient = dy + line * s.out[2] * s.cout;
      for (std::int64_t i = 0; i < s.out[2] && !whole; ++i)
        std::copy(gradient + i * s.cout, gradient + (i + 1) * s.cout, padded.data() + i * lines.padded_outputs);
      if (!whole) gradient = padded.data();
      for (std::int64_t k = 0; k < lines.kernel_lines; ++k)
        for (std::int64_t first = 0; first < lines.padded_outputs; first += kTileColumns<T>)
          multiply_columns<T>(lines.terms, std::min<std::int64_t>(kTileColumns<T>, lines.padded_outputs - first),
                              {.a = input.data() + k * lines.length,
                               .row_stride = 1,
                               .k_stride = s.stride[2] * s.cin,
                               .b = gradient + first,
                               .ldb = lines.padded_outputs,
                               .k = s.out[2],
                               .c = sum + k * lines.terms * lines.padded_outputs + first,
                               .ldc = lines.padded_outputs,
                               .add = true});
    }
  });
  for (std::int64_t co = 0; co < s.cout; ++co)
    for (std::int64_t k = 0; k < depth; ++k) {
      T sum = 0;
      for (std::int64_t slice = 0; slice < kDirectTasks; ++slice)
        sum += sums.data()[slice * elements + k * lines.padded_outputs + co];
      dweight[co * depth + k] = sum;
    }
}

template void convolve<float>(const ConvShape&, const float*, const float*, const float*, float*);
template void convolve<double>(const ConvShape&, const double*, const double*, const double*, double*);
template void weight_gradient<float>(const ConvShape&, const float*, const float*, float*);
template void weight_gradient<double>(const ConvShape&, const double*, const double*, double*);

}  // namespace voxgrad::cpu::VOXGRAD_ISA::direct
