#include "data/prediction_writer.h"

#include <algorithm>
#include <utility>

#include "data/attributes.h"
#include "data/place.h"
#include "engine/backend.h"
#include "engine/error.h"

namespace voxgrad::data {
namespace {

const char* name_of(ScoresFile scores) { return scores == ScoresFile::logits ? "logits" : "probabilities"; }

std::string axes_of(int dims, bool stacked) { return std::string(stacked ? "N" : "") + (dims == 3 ? "ZYX" : "YX"); }

}  // namespace

PredictionWriter::PredictionWriter(const std::string& path, const PredictionHeader& header, const Shape& stacked)
    : header_(header), out_(path), stacked_(stacked.dims() > 0) {
  out_.attribute("/", "format",
                 std::string(header.scores == ScoresFile::logits ? "voxgrad-logits" : "voxgrad-prediction"));
  out_.attribute("/", "format_version", std::int64_t{1});
  if (!header.class_names.empty()) out_.attribute("/", "class_names", header.class_names);
  if (header.ignore_label >= 0) out_.attribute("/", "ignore_label", static_cast<std::int64_t>(header.ignore_label));
  if (!header.model.empty()) out_.attribute("/", "model", header.model);
  if (!header.source.empty()) out_.attribute("/", "source", header.source);
  if (!header.physical) out_.attribute("/", "spacing_unit", std::string(kPixels));
  std::map<int, int> map;
  for (std::size_t c = 0; c < header.style.values.size(); ++c)
    map.emplace(static_cast<int>(header.style.values[c]), static_cast<int>(c));
  if (!map.empty()) out_.attribute("/", "label_map", text_of(map));
  if (!header.style.colours.empty()) out_.attribute("/", "class_colours", text_of(header.style.colours));
  folder_ = "/";
  if (stacked_)
    create(stacked, stacked.dims() - 1);
  else
    out_.group("/cases");
}

void PredictionWriter::create(const Shape& extents, int dims) {
  const std::string labels = name(stacked_ ? "labels" : "label"), axes = axes_of(dims, stacked_);
  out_.create(labels, h5::Element::u8, extents, h5::chunk_of(extents, stacked_, dims, h5::Element::u8));
  out_.attribute(labels, "axes", axes);
  if (header_.scores == ScoresFile::none) return;
  const Shape all = extents + Shape{std::ssize(header_.class_names)};
  const std::string scores = name(name_of(header_.scores));
  const Shape chunk = h5::chunk_of(all, stacked_, dims, h5::Element::f32);
  chunk_ = chunk[stacked_ ? 1 : 0];
  height_ = extents[stacked_ ? 1 : 0];
  out_.create(scores, h5::Element::f32, all, chunk);
  out_.attribute(scores, "axes", axes + "C");
}

void PredictionWriter::begin(const Case& one, const Shape& extents) {
  ids_.push_back(one.id);
  whole_ = {};
  back_ = one.orientation.empty() ? Turn() : turn_to_ras(one.orientation).inverse();
  const bool turned = !back_.is_identity();
  const std::vector<double> spacing = turned ? back_(one.spacing) : one.spacing;
  if (stacked_) {
    if (cases_ == 0) out_.attribute("/labels", "spacing", spacing);
  } else {
    if (one.id.find('/') != std::string::npos || one.id.empty() || one.id == ".")
      throw Error(ErrorKind::data, text("the case \"", one.id, "\" cannot be a group of an HDF5 file"),
                  "give it an id without /");
    folder_ = "/cases/" + one.id + "/";
    const std::string group = "/cases/" + one.id;
    out_.group(group);
    create(turned ? back_(extents) : extents, extents.dims());
    out_.attribute(name("label"), "spacing", spacing);
    std::optional<Affine> affine = one.affine;
    if (affine && turned) affine = back_(*affine, extents);
    write_place(out_, group, affine, one.origin);
  }
  if (turned && header_.scores != ScoresFile::none) whole_ = empty(extents + Shape{std::ssize(header_.class_names)});
}

void PredictionWriter::put(const std::string& array, h5::Element element, Shape start, const Tensor& values) {
  Shape count = values.shape();
  if (stacked_) {
    start = Shape{cases_} + start;
    count = Shape{1} + count;
  }
  out_.write(array, start, count, element, values.raw());
}

void PredictionWriter::scores(std::int64_t row, const Tensor& slab) {
  const Shape zero = Shape::filled(slab.dims(), 0);
  if (whole_.defined()) {
    slab.backend().copy_box(slab, zero, whole_, zero.with(0, row), slab.shape(), false);
    return;
  }
  for (std::int64_t from = 0; from < slab.extent(0);) {
    const std::int64_t at = row + from, begin = at / chunk_ * chunk_, end = std::min(begin + chunk_, height_);
    const std::int64_t count = std::min(slab.extent(0) - from, end - at);
    if (at == begin) rows_ = empty(slab.shape().with(0, end - begin));
    slab.backend().copy_box(slab, zero.with(0, from), rows_, zero.with(0, at - begin), slab.shape().with(0, count),
                            false);
    from += count;
    if (at + count == end)
      put(name(name_of(header_.scores)), h5::Element::f32, zero.with(0, begin), std::exchange(rows_, Tensor()));
  }
}

void PredictionWriter::labels(const Tensor& labels) {
  const Shape zero = Shape::filled(labels.dims(), 0);
  put(name(stacked_ ? "labels" : "label"), h5::Element::u8, zero, back_.is_identity() ? labels : back_(labels));
  if (whole_.defined()) put(name(name_of(header_.scores)), h5::Element::f32, zero + Shape{0}, back_(whole_));
  whole_ = {};
  ++cases_;
}

void PredictionWriter::save() {
  out_.texts("/case_ids", ids_);
  out_.save();
}

}  // namespace voxgrad::data
