// Numbers as unsigned integers in the same order, to rank them by. Include <bit>, <type_traits> and
// engine/cpu/isa.h before.
#pragma once

namespace voxgrad::cpu::VOXGRAD_ISA {

template <class T>
using Key = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
template <class T>
inline constexpr int kBits = 8 * sizeof(T);

// Increases with x; NaN is larger than any number, -0 equals 0.
template <class T>
inline Key<T> key_of(T x) {
  constexpr Key<T> kSign = Key<T>(1) << (kBits<T> - 1);
  const auto bits = std::bit_cast<Key<T>>(x + T(0));
  const Key<T> key = bits ^ ((bits & kSign) != 0 ? ~Key<T>(0) : kSign);
  return key | (Key<T>(0) - Key<T>(x != x));
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA
