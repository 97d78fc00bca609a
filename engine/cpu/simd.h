// Vectors of the instruction set that this file is compiled for, through the vector extensions of the compiler: + - * /
// and comparisons work as on numbers. Vec<float> holds kLanes<float> numbers. Only isa.h includes this file.
#pragma once

// Write this before a loop whose iterations do not depend on each other, although an output may be the same memory as
// an input. Without it the compiler checks for that case and then runs the loop without vectors.
#ifdef __clang__
#define VOXGRAD_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define VOXGRAD_INDEPENDENT _Pragma("GCC ivdep")
#endif

// Write this on lambdas that are called in an inner loop. Without it GCC finds them too large to inline.
#define VOXGRAD_INLINE __attribute__((always_inline))

namespace voxgrad::cpu::VOXGRAD_ISA {

inline constexpr int kVectorBytes = VOXGRAD_ISA_LEVEL == 2 ? 64 : VOXGRAD_ISA_LEVEL == 1 ? 32 : 16;

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(kVectorBytes)));
};
template <class T>
using Vec = typename VectorOf<T>::type;
template <class T>
inline constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

template <class T>
inline Vec<T> load(const T* p) {
  Vec<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
inline void store(T* p, Vec<T> v) {
  std::memcpy(p, &v, sizeof v);
}
template <class T>
inline Vec<T> splat(T value) {
  return value - Vec<T>{};
}
// Copies count < 2 * Size elements. GCC turns a plain memcpy whose size is only known at run time into a string
// instruction, which costs as much as a hundred multiplications.
template <int Size, class T>
inline void copy_few(T* to, const T* from, int count) {
  if (count & Size) {
    std::memcpy(to, from, Size * sizeof(T));
    to += Size;
    from += Size;
  }
  if constexpr (Size > 1) copy_few<Size / 2>(to, from, count);
}
// Loads the first `count` elements (at most kLanes) and sets the lanes behind them to zero.
template <class T>
inline Vec<T> load_part(const T* p, int count) {
  if (count >= kLanes<T>) return load(p);
  T part[kLanes<T>] = {};
  copy_few<kLanes<T> / 2>(part, p, count);
  return load(part);
}
template <class T>
inline void store_part(T* p, Vec<T> v, int count) {
  if (count >= kLanes<T>) return store(p, v);
  T part[kLanes<T>];
  store(part, v);
  copy_few<kLanes<T> / 2>(p, part, count);
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA
