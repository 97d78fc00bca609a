// Visits all objects of a file (walk).
#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#include <algorithm>
#include <deque>
#include <set>

#include "data/h5/h5_detail.h"

namespace voxgrad::data::h5 {
namespace {

constexpr std::size_t kMostObjects = 200'000;
constexpr int kDeepest = 16;
// Elements. Of arrays that HDF5 does not unpack only so many are read: one of them, and all of them together.
constexpr std::int64_t kMostNumbers = std::int64_t{1} << 20, kMostInAll = std::int64_t{1} << 23;
constexpr std::int64_t kPiece = std::int64_t{1} << 22;

// What is refused is not looked at further: the caller will be refused it, too, unless it has more memory.
template <class F>
void try_to(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::memory) throw;
  }
}

void visit_attributes(const Object& object) {
  std::vector<std::string> names;
  try_to([&] { names = object.attribute_names(); });
  for (const std::string& name : names) {
    try_to([&] { object.strings_attribute(name); });
    try_to([&] { object.numbers_attribute(name); });
    try_to([&] { object.integer_attribute(name); });
  }
}

void visit_values(const Array& array, std::int64_t& left) {
  const Shape& extents = array.extents();
  if (array.element() == Element::string) try_to([&] { array.read_strings(); });
  if (size_of(array.element()) == 0 || extents.dims() == 0 || extents.numel() == 0) return;
  if (!array.left_to_library()) {
    if (extents.numel() > std::min(kMostNumbers, left)) return;
    left -= extents.numel();
  }
  const std::int64_t row = extents.numel() / extents[0], rows = std::max<std::int64_t>(1, kPiece / row);
  if (row > 64 * kPiece) return;
  std::vector<float> values(static_cast<std::size_t>(std::min(rows, extents[0]) * row));
  for (std::int64_t first = 0; first < extents[0]; first += rows)
    array.read(Shape::filled(extents.dims(), 0).with(0, first), extents.with(0, std::min(rows, extents[0] - first)),
               Element::f32, values.data());
}

// Level by level, so that an object with several names is met at its shallowest. Each is looked at once: a group may
// contain itself.
void visit(const File& file) {
  std::deque<std::pair<std::string, int>> groups{{"/", 0}};  // path and depth
  std::set<std::string> seen;
  std::int64_t numbers = kMostInAll;
  for (std::size_t left = kMostObjects; !groups.empty(); groups.pop_front()) {
    const std::string group = groups.front().first;
    const int depth = groups.front().second;
    try_to([&] { visit_attributes(file.group(group)); });
    std::vector<std::string> names;
    try_to([&] { names = file.children(group); });
    for (const std::string& name : names) {
      if (left == 0) return;
      --left;
      const std::string path = (group == "/" ? "" : group) + "/" + name;
      try_to([&] {
        if (const std::string target = file.target(path); target.empty() || !seen.insert(target).second) return;
        if (file.is_group(path)) {
          if (depth < kDeepest) groups.emplace_back(path, depth + 1);
          return;
        }
        const Array array = file.array(path);
        visit_attributes(array);
        visit_values(array, numbers);
      });
    }
  }
}

}  // namespace

void walk(const std::string& path) {
  visit(File::open(path));
  // Both look at blocks of the heap, which HDF5 may have damaged without any sign so far.
  const Guard guard;
  H5garbage_collect();
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

}  // namespace voxgrad::data::h5
