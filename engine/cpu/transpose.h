// Transposes a square of numbers in registers: kLanes vectors of kLanes numbers. Include this file after isa.h.
#pragma once

#include <utility>

namespace voxgrad::cpu::VOXGRAD_ISA {

// The two rows are Step apart; their off-diagonal Step x Step squares are exchanged:
//   (a A)      (a b)        lane l of the first row is a[l] or b[l - Step], of the second A[l + Step] or B[l],
//   (b B)  to  (A B)        for the two values of the bit Step of l.
template <int Step, class T, std::size_t... l>
inline void exchange(Vec<T>& first, Vec<T>& second, std::index_sequence<l...>) {
  const Vec<T> a = first, b = second;
  first = __builtin_shufflevector(a, b, (l & Step ? static_cast<int>(l) - Step + kLanes<T> : static_cast<int>(l))...);
  second = __builtin_shufflevector(a, b, (l & Step ? static_cast<int>(l) + kLanes<T> : static_cast<int>(l) + Step)...);
}

template <class T, int Step = 1>
inline void transpose(Vec<T> (&rows)[kLanes<T>]) {
  for (int i = 0; i < kLanes<T>; ++i)
    if ((i & Step) == 0) exchange<Step, T>(rows[i], rows[i + Step], std::make_index_sequence<kLanes<T>>());
  if constexpr (2 * Step < kLanes<T>) transpose<T, 2 * Step>(rows);
}

// to[column][row] = from[row][column] for `rows` by `columns` numbers, both at most kLanes. Each row of `to` is filled
// up to kLanes numbers with zeros.
template <class T>
inline void transpose_square(const T* from, std::int64_t from_stride, std::int64_t rows, std::int64_t columns, T* to,
                             std::int64_t to_stride) {
  if (rows == kLanes<T> && columns == kLanes<T>) {
    Vec<T> square[kLanes<T>];
    for (int i = 0; i < kLanes<T>; ++i) square[i] = load(from + i * from_stride);
    transpose<T>(square);
    for (int i = 0; i < kLanes<T>; ++i) store(to + i * to_stride, square[i]);
    return;
  }
  for (std::int64_t column = 0; column < columns; ++column)
    for (std::int64_t row = 0; row < kLanes<T>; ++row)
      to[column * to_stride + row] = row < rows ? from[row * from_stride + column] : T{0};
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA
