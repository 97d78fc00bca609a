// Maps numbers to unsigned integers of the same order, so that they can be ranked. Include <bit>, <type_traits> and
// engine/cpu/isa.h before this file.
#pragma once

namespace voxgrad::cpu::VOXGRAD_ISA {

template <class T>
using Key = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
template <class T>
inline constexpr int kBits = 8 * sizeof(T);

// The key increases with x. NaN is larger than any number, and -0 equals 0.
template <class T>
inline Key<T> key_of(T x) {
  constexpr Key<T> kSign = Key<T>(1) << (kBits<T> - 1);
  const auto bits = std::bit_cast<Key<T>>(x + T(0));
  const Key<T> key = bits ^ ((bits & kSign) != 0 ? ~Key<T>(0) : kSign);
  return key | (Key<T>(0) - Key<T>(x != x));
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA
