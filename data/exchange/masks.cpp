#include "data/exchange/masks.h"

#include "data/exchange/layouts_detail.h"
#include "data/prediction_writer.h"
#include "engine/error.h"

namespace voxgrad::data {
namespace {

Tensor labels_of(Image& image, const std::string& path) {
  SourceLabel read;
  const std::vector<std::int32_t> values = exchange::label_values(image, path, read);
  if (read.colours)
    throw Error(ErrorKind::data, path + ": a mask has one value for each pixel, these are colours",
                "masks whose colours are classes become labels when a dataset is made of them");
  const Tensor labels = empty(image.extents(), DType::u8);
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    if (nth(values, i) < 0 || nth(values, i) > 255)
      throw Error(ErrorKind::data, text(path, ": label ", nth(values, i), " outside 0..255"),
                  "labels outside of it become classes when a dataset is made of the masks");
    labels.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(nth(values, i));
  }
  return labels;
}

}  // namespace

void exchange::require_no_jpeg(const std::string& mask, std::optional<Kind> kind) {
  if (kind == Kind::jpeg)
    throw Error(ErrorKind::data, mask + ": a mask cannot be a JPEG, which changes values at every border",
                "use the masks from before they were saved as JPEG");
}

void store_masks(const std::string& path, const std::string& out, const std::string& id, const std::string& axes,
                 const std::function<void()>& progress) {
  using namespace exchange;
  const Listing listing = is_folder(path) ? walk(path) : Listing{{entry_of(path)}, {}, {}};
  if (listing.files.empty()) fail_empty(path, listing);
  std::optional<PredictionWriter> writer;
  std::optional<bool> physical;
  std::map<std::string, std::string> owner;  // case -> file
  for (const Entry& entry : listing.files) {
    progress();
    require_no_jpeg(entry.path, kind_of_file(entry.path));
    Image image = read_any(entry.path, axes, true);
    if (image.lossy) require_no_jpeg(entry.path, Kind::jpeg);
    if (physical.value_or(image.physical) != image.physical)
      throw Error(
          ErrorKind::data,
          text(entry.path, image.physical ? ": the size of its voxels is known, that of the masks before it is not"
                                          : ": the size of its voxels is not known, unlike the masks before it"),
          "compare them apart, or store all of them in one kind of file");
    physical = image.physical;
    Tensor labels = labels_of(image, entry.path);
    Case one;
    one.id = !id.empty() ? id : entry.folder.empty() ? entry.stem : entry.folder + "/" + entry.stem;
    for (char& c : one.id)
      if (c == '/') c = '_';
    const auto [other, is_new] = owner.emplace(one.id, entry.path);
    if (!is_new)
      throw Error(ErrorKind::data, text(other->second, " and ", entry.path, " would both be the case ", one.id),
                  "rename one of them, or move it away");
    one.spacing = image.spacing;
    if (image.affine && labels.dims() == 3) {
      one.orientation = orientation_of(*image.affine);
      const Turn turn = turn_to_ras(one.orientation);
      one.affine = turn(*image.affine, labels.shape());
      one.spacing = turn(image.spacing);
      labels = turn(labels);
    }
    if (!writer) {
      PredictionHeader header;
      header.source = path;
      header.physical = image.physical;
      writer.emplace(out, header);
    }
    writer->begin(one, labels.shape());
    writer->labels(labels);
  }
  writer->save();
}

}  // namespace voxgrad::data
