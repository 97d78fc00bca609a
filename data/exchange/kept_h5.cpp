// Keeps arrays of HDF5 open of which one sample after the other is read.
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "data/exchange/layouts_detail.h"

namespace voxgrad::data::exchange {
namespace {

struct KeptArray {
  std::string path;
  std::string named;  // the object, as the place names it
  std::uintmax_t size = 0;
  std::filesystem::file_time_type time;
  H5Array opened;
};
using KeptArrays = std::vector<KeptArray>;  // the newest at the end
constexpr std::size_t kMostArrays = 2;      // of images and of their labels

}  // namespace

H5Array kept_array(const H5Place& place, const std::function<H5Array()>& open) {
  std::shared_ptr<void>* const others = KeepTiffs::others();
  std::error_code no_size, no_time;
  const std::uintmax_t size = std::filesystem::file_size(place.path, no_size);
  const std::filesystem::file_time_type time = std::filesystem::last_write_time(place.path, no_time);
  if (others == nullptr || place.sample < 0 || place.object.empty() || no_size || no_time) return open();
  if (*others == nullptr) *others = std::make_shared<KeptArrays>();
  KeptArrays& kept = *static_cast<KeptArrays*>(others->get());
  // Before the file is opened: HDF5 would take a file that was changed in its place for the one that is open already.
  std::erase_if(kept,
                [&](const KeptArray& one) { return one.path == place.path && (one.size != size || one.time != time); });
  for (const KeptArray& one : kept)
    if (one.path == place.path && one.named == place.object) return one.opened;
  KeptArray one{place.path, place.object, size, time, open()};
  if (kept.size() == kMostArrays) kept.erase(kept.begin());
  return kept.emplace_back(std::move(one)).opened;
}

}  // namespace voxgrad::data::exchange
