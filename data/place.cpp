#include "data/place.h"

#include <cmath>

#include "data/attributes.h"
#include "data/format.h"
#include "engine/error.h"

namespace voxgrad::data {
namespace {

constexpr std::int64_t kLargestHeader = std::int64_t{1} << 16;  // of a source file, in bytes

}  // namespace

void write_place(h5::Writer& out, const std::string& group, const std::optional<Affine>& affine, const Origin& origin) {
  if (affine) {
    std::vector<double> numbers;
    for (const auto& row : *affine) numbers.insert(numbers.end(), row.begin(), row.end());
    numbers.insert(numbers.end(), {0, 0, 0, 1});
    out.attribute(group, "affine", numbers, {4, 4});
  }
  if (origin.path.empty()) return;
  out.attribute(group, "source", origin.path);
  out.attribute(group, "source_kind", std::string(name_of(origin.kind)));
  if (!origin.orientation.empty()) out.attribute(group, "source_orientation", origin.orientation);
  if (!origin.header.empty())
    out.array(group + "/source_header", h5::Element::u8, {std::ssize(origin.header)}, origin.header.data());
}

std::optional<Affine> read_affine(const h5::Object& object) {
  if (!object.has_attribute("affine")) return {};
  const std::vector<double> numbers = object.numbers_attribute("affine");
  if (numbers.size() != 16) fail_format(object.where(), "affine must be 4 x 4 numbers");
  Affine affine{};
  for (std::size_t i = 0; i < 12; ++i) {
    if (!std::isfinite(numbers[i]))
      fail_format(object.where(), text("affine: element ", i / 4, ", ", i % 4, " is ", numbers[i]));
    affine[i / 4][i % 4] = numbers[i];
  }
  return affine;
}

Origin read_origin(const h5::File& file, const std::string& path) {
  Origin result;
  const h5::Group group = file.group(path);
  if (!group.has_attribute("source")) return result;
  result.path = group.string_attribute("source");
  result.kind = kind_of_text(group.string_attribute("source_kind"), group.where());
  if (group.has_attribute("source_orientation")) {
    result.orientation = group.string_attribute("source_orientation");
    try {
      turn_to_ras(result.orientation);
    } catch (const Error& error) {
      fail_format(group.where(), "source_" + error.message(), error.hint());
    }
  }
  if (!file.exists(path + "/source_header")) return result;
  const h5::Array header = file.array(path + "/source_header");
  if (header.element() != h5::Element::u8)
    fail_format(header.where(), text("is ", name_of(header.element()), ", expected u8"));
  if (header.extents().dims() != 1 || header.extents()[0] > kLargestHeader)
    fail_format(header.where(),
                text("extents are ", header.extents(), ", expected one axis of at most ", kLargestHeader));
  result.header.resize(static_cast<std::size_t>(header.extents()[0]));
  if (!result.header.empty()) header.read_all(h5::Element::u8, result.header.data());
  return result;
}

}  // namespace voxgrad::data
