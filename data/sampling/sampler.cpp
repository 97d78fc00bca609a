#include "data/sampling/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "data/probabilities.h"

namespace voxgrad::data {
namespace {

constexpr std::int64_t kCentres = 4096;   // for each case and class
constexpr std::size_t kAllKnown = 256;    // behind the classes: all voxels that are not ignored
constexpr std::int64_t kFieldMargin = 8;  // the maps of a warped patch know an eighth of its extent on either side

// The forks of the seed, and of the random numbers of a sample. With other numbers here, the same seed would give other
// batches.
enum SeedFork : std::uint64_t { kOrder = 1, kSamples = 2, kCentreVoxels = 3 };
enum SampleFork : std::uint64_t { kCorner = 1, kAugment = 2 };

// Divides the voxels of each class, in the order of memory, into at most kCentres equal parts and draws one voxel from
// each part. Two passes over the label do it without a list of all voxels.
void draw_centres(PreparedCase& one, int ignore, const Random& random) {
  const Tensor& label = one.data.label;
  const std::uint8_t* values = label.data<std::uint8_t>();
  const std::int64_t voxels = label.numel();
  std::array<std::int64_t, kAllKnown + 1> found{};
  for (std::int64_t i = 0; i < voxels; ++i) ++found[values[i]];
  const bool some_ignored = ignore >= 0 && nth(found, ignore) > 0;
  if (some_ignored) found[kAllKnown] = voxels - nth(found, ignore);
  found[0] = 0;
  if (ignore >= 0) nth(found, ignore) = 0;

  struct Class {
    std::vector<std::int64_t> ranks;  // the drawn ones of its voxels, counted in the order of memory
    std::int64_t seen = 0;            // its voxels that the second pass has met
    std::vector<std::int64_t> centres;
    void meet(std::int64_t voxel) {
      if (centres.size() < ranks.size() && ranks[centres.size()] == seen) centres.push_back(voxel);
      ++seen;
    }
  };
  std::array<Class, kAllKnown + 1> classes;
  for (std::size_t c = 0; c < classes.size(); ++c) {
    Random part = random.fork(c);
    const std::int64_t count = std::min(found[c], kCentres);
    for (std::int64_t k = 0; k < count; ++k) {
      const std::int64_t first = k * found[c] / count, last = (k + 1) * found[c] / count;
      classes[c].ranks.push_back(first + part.below(last - first));
    }
  }
  for (std::int64_t i = 0; i < voxels; ++i) {
    if (found[values[i]] > 0) classes[values[i]].meet(i);
    if (some_ignored && values[i] != ignore) classes[kAllKnown].meet(i);
  }
  one.known = std::move(classes[kAllKnown].centres);
  for (std::size_t c = 0; c < kAllKnown; ++c)
    if (!classes[c].centres.empty()) one.foreground.push_back(std::move(classes[c].centres));
}

// Copies the box of `patch` voxels that begins at `corner`. Voxels outside the case become zero.
template <class T>
void crop(const Tensor& from, const Extents& corner, const Shape& patch, std::int64_t channels, T* target) {
  Extents extent = 1, size = 1, first = 0;  // an image is treated as a volume of one slice
  const int lead = 3 - patch.dims();
  bool inside = true;
  for (int i = 0; i < patch.dims(); ++i) {
    extent[lead + i] = from.extent(i);
    size[lead + i] = patch[i];
    first[lead + i] = corner[i];
    inside = inside && corner[i] >= 0 && corner[i] + patch[i] <= extent[lead + i];
  }
  if (!inside) std::fill_n(target, patch.numel() * channels, T{});
  const T* source = from.data<T>();
  const std::int64_t begin = std::max<std::int64_t>(0, -first[2]);
  const std::int64_t end = std::min(size[2], extent[2] - first[2]);
  for (std::int64_t z = 0; z < size[0]; ++z)
    for (std::int64_t y = 0; y < size[1]; ++y) {
      const std::int64_t from_z = first[0] + z, from_y = first[1] + y;
      if (from_z < 0 || from_z >= extent[0] || from_y < 0 || from_y >= extent[1] || end <= begin) continue;
      const T* row = source + ((from_z * extent[1] + from_y) * extent[2] + first[2] + begin) * channels;
      std::copy_n(row, (end - begin) * channels, target + ((z * size[1] + y) * size[2] + begin) * channels);
    }
}

// Returns the corner of a patch in a map of the case. The map of a small case is padded already.
Extents in_map(Extents corner) {
  for (std::int64_t& start : corner.value) start = std::max<std::int64_t>(start, 0);
  return corner;
}

// Returns the channels of a map f32 [*S, K] that are 0 everywhere.
std::vector<std::int64_t> empty_channels(const Tensor& map) {
  const std::int64_t channels = map.extent(-1);
  const float* values = map.data<float>();
  std::vector<std::int64_t> result;
  for (std::int64_t c = 0; c < channels; ++c) {
    std::int64_t i = c;
    while (i < map.numel() && values[i] == 0) i += channels;
    if (i >= map.numel()) result.push_back(c);
  }
  return result;
}

// Replaces the first channel p of probabilities f32 [*S, K] by 1 - p.
void complement_first(const Tensor& probabilities) {
  const std::int64_t classes = probabilities.extent(-1);
  float* values = probabilities.data<float>();
  for (std::int64_t i = 0; i < probabilities.numel(); i += classes) values[i] = 1 - values[i];
}

void require_options(const Dataset& dataset, const LoaderOptions& options) {
  const auto require = [](bool ok, const auto&... parts) {
    if (!ok) throw Error(ErrorKind::usage, text("loader: ", parts...));
  };
  const DatasetInfo& info = dataset.info();
  require_labels(dataset, "training");
  require(!options.probabilities || info.probabilities, info.path, " has no label probabilities");
  require(!options.cases.empty(), "there are no cases to draw from in ", info.name);
  for (const std::int64_t index : options.cases)
    require(index >= 0 && index < dataset.size(), "case ", index, " of ", dataset.size());
  require(options.patch.dims() == info.dims, "patch has ", options.patch.dims(), " extents, ", info.name, " has ",
          info.dims, " spatial axes");
  for (const std::int64_t extent : options.patch) require(extent >= 1, "patch extent ", extent, ", expected 1 or more");
  require(options.batch >= 1, "batch ", options.batch, ", expected 1 or more");
  require(options.foreground >= 0 && options.foreground <= 1, "foreground share ", options.foreground,
          ", expected 0..1");
  require(options.prefetch >= 0, "prefetch ", options.prefetch, ", expected 0 or more");
  require(options.threads >= 0, "threads ", options.threads, ", expected 0 or more");
}

}  // namespace

Sampler::Sampler(const Dataset& dataset, LoaderOptions options)
    : dataset_(dataset), options_(std::move(options)), ignore_(dataset.info().ignore_label) {
  require_options(dataset_, options_);
}

std::int64_t Sampler::case_of(std::int64_t sample) {
  const std::lock_guard lock(mutex_);
  const std::int64_t cases = std::ssize(options_.cases);
  if (sample / cases != epoch_) {
    epoch_ = sample / cases;
    order_ = options_.cases;
    Random(options_.seed).fork(kOrder).fork(static_cast<std::uint64_t>(epoch_)).shuffle(order_);
  }
  return nth(order_, sample % cases);
}

Sampler::Prepared Sampler::read_case(std::int64_t index) const {
  auto result = std::make_shared<PreparedCase>();
  result->data = dataset_.read(index, options_.probabilities);
  if (options_.prepare) options_.prepare(result->data);
  if (options_.probabilities) complement_first(result->data.probabilities);
  const Random random = Random(options_.seed).fork(kCentreVoxels).fork(static_cast<std::uint64_t>(index));
  draw_centres(*result, ignore_, random);
  if (options_.fields) result->fields = options_.fields->of(result->data, options_.patch);
  return result;
}

Sampler::Prepared Sampler::prepared(std::int64_t index) {
  std::promise<Prepared> promise;
  {
    std::unique_lock lock(mutex_);
    const auto [place, absent] = cases_.try_emplace(index);
    if (!absent) {
      const std::shared_future<Prepared> other = place->second;
      lock.unlock();
      return other.get();
    }
    place->second = promise.get_future().share();
  }
  try {
    const Prepared result = read_case(index);
    std::size_t bytes = result->data.image.bytes() + result->data.label.bytes();
    if (options_.probabilities) bytes += result->data.probabilities.bytes();
    for (const Tensor& map : result->fields) bytes += map.bytes();
    for (const auto& centres : result->foreground) bytes += centres.capacity() * sizeof(std::int64_t);
    bytes += result->known.capacity() * sizeof(std::int64_t);
    promise.set_value(result);
    // The first cases that fit are kept, whichever were used last: in a shuffled order all are equally likely to be
    // next.
    const std::lock_guard lock(mutex_);
    if (kept_.bytes + bytes <= options_.cache_bytes)
      ++kept_.cases, kept_.bytes += bytes;
    else
      cases_.erase(index);
    return result;
  } catch (...) {
    promise.set_exception(std::current_exception());
    const std::lock_guard lock(mutex_);
    cases_.erase(index);
    throw;
  }
}

Extents Sampler::corner(const PreparedCase& from, std::int64_t sample, Random random) const {
  // Sample s is centred on the foreground exactly if s * share and (s + 1) * share have different whole parts.
  const double before = std::floor(static_cast<double>(sample) * options_.foreground);
  const double after = std::floor(static_cast<double>(sample + 1) * options_.foreground);
  const Shape& patch = options_.patch;
  const Shape& shape = from.data.label.shape();
  std::int64_t voxel = -1;
  if (after > before && !from.foreground.empty()) {
    const std::vector<std::int64_t>& centres = nth(from.foreground, random.below(std::ssize(from.foreground)));
    voxel = nth(centres, random.below(std::ssize(centres)));
  } else if (!from.known.empty()) {
    voxel = nth(from.known, random.below(std::ssize(from.known)));
  }
  Extents result;
  for (int i = patch.dims() - 1; i >= 0; --i) {
    const std::int64_t extent = shape[i], room = extent - patch[i];
    if (room <= 0)
      result[i] = -(-room / 2);  // half of the padding is on this side
    else if (voxel < 0)
      result[i] = random.below(room + 1);
    else
      result[i] = std::clamp(voxel % extent - patch[i] / 2, std::int64_t{0}, room);
    if (voxel >= 0) voxel /= extent;
  }
  return result;
}

Tensor Sampler::place_of(std::size_t k, const Tensor& map, std::int64_t j, Batch& batch) const {
  const Shape one = options_.patch + Shape{map.extent(-1)}, all = Shape{options_.batch} + one;
  Tensor& target = batch.fields[options_.fields->keys()[k]];
  if (!target.defined()) target = empty(all);
  check(target.shape() == all, "loader: ", options_.fields->keys()[k], " of two cases: ", target, " and ", map);
  return target.alias(j * one.numel(), one);
}

std::vector<Tensor> Sampler::cut_fields(const PreparedCase& from, const Extents& corner, std::int64_t j,
                                        Batch& batch) const {
  std::vector<Tensor> parts;
  const Extents first = in_map(corner);
  for (std::size_t k = 0; k < from.fields.size(); ++k) {
    parts.push_back(place_of(k, from.fields[k], j, batch));
    crop(from.fields[k], first, options_.patch, parts.back().extent(-1), parts.back().data<float>());
  }
  return parts;
}

std::vector<Tensor> Sampler::make_fields(const PreparedCase& from, const Extents& corner, const Warp& warp,
                                         std::int64_t j, Batch& batch) const {
  std::vector<Tensor> parts;
  if (!options_.fields) return parts;
  Shape shape;
  Extents margin = 0;
  for (int i = 0; i < options_.patch.dims(); ++i) {
    margin[i] = options_.patch[i] / kFieldMargin;
    shape.push_back(options_.patch[i] + 2 * margin[i]);
  }
  const Tensor label = empty(shape, DType::u8);
  warp.sample(from.data.label, corner, label, margin);
  for (std::size_t k = 0; k < options_.fields->keys().size(); ++k) {
    const std::string& key = options_.fields->keys()[k];
    const Tensor map = options_.fields->make(key, label, from.data.spacing);
    const std::int64_t channels = map.extent(-1);
    parts.push_back(place_of(k, map, j, batch));
    float* values = parts.back().data<float>();
    crop(map, margin, options_.patch, channels, values);
    const std::vector<std::int64_t> unknown =
        options_.fields->distances(key) ? empty_channels(map) : std::vector<std::int64_t>();
    if (unknown.empty()) continue;
    const Tensor whole = empty(parts.back().shape());  // the distances of the case, stretched as the image is
    warp.sample(from.fields[k], in_map(corner), whole);
    for (const std::int64_t c : unknown)
      for (std::int64_t i = c; i < whole.numel(); i += channels) values[i] = whole.data<float>()[i];
  }
  return parts;
}

Batch Sampler::make(std::int64_t step) {
  check(step >= 0, "loader: batch ", step);
  const std::int64_t channels = dataset_.info().channels;
  const Shape one_label = options_.patch, one_image = one_label + Shape{channels};
  const Shape one_truth = one_label + Shape{dataset_.classes()};
  Batch batch;
  batch.images = empty(Shape{options_.batch} + one_image);
  batch.labels = empty(Shape{options_.batch} + one_label, DType::u8);
  if (options_.probabilities) batch.probabilities = empty(Shape{options_.batch} + one_truth);
  for (std::int64_t j = 0; j < options_.batch; ++j) {
    const std::int64_t sample = step * options_.batch + j;
    const Prepared from = prepared(case_of(sample));
    const Random random = Random(options_.seed).fork(kSamples).fork(static_cast<std::uint64_t>(sample));
    const Extents first = corner(*from, sample, random.fork(kCorner));
    const Tensor image = batch.images.alias(j * one_image.numel(), one_image);
    const Tensor label = batch.labels.alias(j * one_label.numel(), one_label);
    const Random changes = random.fork(kAugment);
    const Warp warp = draw_warp(options_.patch, from->data.spacing, options_.augment, changes);
    std::vector<Tensor> maps;
    if (warp.identity()) {
      crop(from->data.image, first, options_.patch, channels, image.data<float>());
      crop(from->data.label, first, options_.patch, 1, label.data<std::uint8_t>());
      maps = cut_fields(*from, first, j, batch);
    } else {
      warp.sample(from->data.image, first, image);
      warp.sample(from->data.label, first, label);
      maps = make_fields(*from, first, warp, j, batch);
    }
    if (options_.probabilities) {
      const Tensor probabilities = batch.probabilities.alias(j * one_truth.numel(), one_truth);
      if (warp.identity())
        crop(from->data.probabilities, first, options_.patch, one_truth[-1], probabilities.data<float>());
      else
        warp.sample(from->data.probabilities, first, probabilities);
      complement_first(probabilities);
      normalise_probabilities(probabilities);
      maps.push_back(probabilities);
    }
    augment(image, label, from->data.spacing, options_.augment, changes, maps);
    batch.ids.push_back(from->data.id);
    batch.spacing.insert(batch.spacing.end(), from->data.spacing.begin(), from->data.spacing.end());
  }
  return batch;
}

}  // namespace voxgrad::data
