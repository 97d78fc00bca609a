#include "data/phantoms.h"

#include <algorithm>

#include "data/phantoms/phantom.h"
#include "engine/names.h"
#include "engine/parallel.h"

namespace voxgrad::data {
namespace {

using phantom::Draw;
using phantom::Extent;
using phantom::Picture;
using phantom::Point;
using phantom::Recipe;
using phantom::View;

constexpr std::int64_t kSmallestExtent = 8, kLargestCount = std::int64_t{1} << 27;

const std::vector<Recipe>& recipes() {
  static const std::vector<Recipe> all{phantom::lesions2d(), phantom::vessels2d(), phantom::organs2d(),
                                       phantom::nuclei2d(),  phantom::tumour3d(),  phantom::organ3d()};
  return all;
}

const Recipe& find(const std::string& name) {
  std::vector<std::string> names;
  for (const Recipe& recipe : recipes()) names.push_back(recipe.info.name);
  return recipes()[choose("phantom", name, names)];
}

[[noreturn]] void misuse(const std::string& message) { throw Error(ErrorKind::usage, "phantom " + message); }

Extent extent_of(const Recipe& recipe, const Shape& size) {
  const Phantom& info = recipe.info;
  if (size.dims() != info.dims)
    misuse(text(info.name, ": ", size.dims(), " extents given, it has ", info.dims, " axes"));
  std::int64_t count = 1;
  for (std::int64_t extent : size) {
    if (extent < kSmallestExtent || extent > kLargestCount / count)
      misuse(text(info.name, ": extent ", extent, "; expected at least ", kSmallestExtent, ", and at most ",
                  kLargestCount, " voxels in all"));
    count *= extent;
  }
  return info.dims == 2 ? Extent{1, size[0], size[1]} : Extent{size[0], size[1], size[2]};
}

// Another size shows the same field of view at another resolution. The resolution along z follows from the depth alone.
View view_of(const Recipe& recipe, const Extent& extent) {
  const double in_plane = recipe.field_of_view.y / static_cast<double>(std::min(extent.height, extent.width));
  const double through = recipe.info.dims == 3 ? recipe.field_of_view.z / static_cast<double>(extent.depth) : in_plane;
  return {extent, {through, in_plane, in_plane}};
}

// Returns the hash FNV-1a of a name, so that every phantom has random numbers of its own.
std::uint64_t number_of(const std::string& name) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char letter : name) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001B3u;
  return hash;
}

std::string numbered(const std::string& word, std::int64_t number) {
  const std::string digits = std::to_string(number);
  return word + std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits;
}

Case make_case(const Recipe& recipe, const View& view, const Random& root, std::int64_t index) {
  const std::int64_t group = index / recipe.cases_per_group;
  const Random groups = root.fork(1), own = root.fork(2);
  const Picture picture = recipe.make(view, Draw(groups.fork(static_cast<std::uint64_t>(group))),
                                      Draw(own.fork(static_cast<std::uint64_t>(index))));
  Case result;
  result.id = numbered("case_", index);
  result.group = numbered("group_", group);
  Shape shape{view.extent.depth, view.extent.height, view.extent.width};
  result.spacing = {view.spacing.z, view.spacing.y, view.spacing.x};
  if (recipe.info.dims == 2) {
    shape = {view.extent.height, view.extent.width};
    result.spacing = {view.spacing.y, view.spacing.x};
  }
  result.label = from_vector(shape, picture.labels);
  const std::size_t channels = picture.channels.size();
  std::vector<float> values(static_cast<std::size_t>(view.extent.count()) * channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const std::vector<std::uint8_t> bytes = quantise(picture.channels[c]);
    for (std::size_t i = 0; i < bytes.size(); ++i) values[i * channels + c] = bytes[i];
  }
  result.image = from_vector(shape + Shape{std::ssize(picture.channels)}, values);
  return result;
}

// Divides the groups: seven twelfths for training, two for validation, three for testing.
std::map<std::string, std::vector<std::int64_t>> make_splits(std::int64_t cases, std::int64_t cases_per_group) {
  const std::int64_t groups = (cases + cases_per_group - 1) / cases_per_group;
  std::map<std::string, std::vector<std::int64_t>> splits;
  for (std::int64_t i = 0; i < cases; ++i) {
    const std::int64_t place = 12 * (i / cases_per_group) / groups;
    splits[place < 7 ? "train" : place < 9 ? "val" : "test"].push_back(i);
  }
  return splits;
}

}  // namespace

const std::vector<Phantom>& phantoms() {
  static const std::vector<Phantom> all = [] {
    std::vector<Phantom> list;
    for (const Recipe& recipe : recipes()) list.push_back(recipe.info);
    return list;
  }();
  return all;
}

DatasetContents make_phantom(const std::string& name, const PhantomOptions& options) {
  const Recipe& recipe = find(name);
  if (options.cases < 0 || options.cases > kMostPhantomCases)
    misuse(text(name, ": ", options.cases, " cases outside 0..", kMostPhantomCases));
  const std::int64_t cases = options.cases > 0 ? options.cases : recipe.info.cases;
  const View view = view_of(recipe, extent_of(recipe, options.size.dims() == 0 ? recipe.info.size : options.size));

  DatasetContents contents;
  contents.class_names = recipe.info.class_names;
  contents.attributes = {{"license", "Apache-2.0 (synthetic)"},
                         {"source", "voxgrad synth " + name},
                         {"modality", recipe.modality + " (synthetic)"}};
  contents.splits = make_splits(cases, recipe.cases_per_group);
  contents.image_dtype = DType::u8;
  contents.cases.resize(static_cast<std::size_t>(cases));
  const Random root = Random(options.seed).fork(number_of(name));
  parallel_for(cases, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) nth(contents.cases, i) = make_case(recipe, view, root, i);
  });
  return contents;
}

}  // namespace voxgrad::data
