#include "data/exchange/import.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "data/exchange/layouts_detail.h"
#include "data/splits.h"
#include "data/writer.h"
#include "engine/error.h"
#include "engine/io/file_rules.h"
#include "engine/names.h"

namespace voxgrad::data {
namespace {

constexpr double kAir = -900;  // Hounsfield units: air has -1000

// The dataset replaces a file at its place, which must not be one that it is made of.
void require_other_file(const std::string& out, const std::string& place) {
  std::error_code code;
  if (std::filesystem::equivalent(out, file_of(place), code))
    throw Error(ErrorKind::usage, out + ": is one of the files that the dataset is made of",
                "give the dataset a name of its own");
}

[[noreturn]] void fail_source(const Source& source, const std::string& problem, const std::string& hint = {}) {
  throw Error(ErrorKind::data, text("case ", source.id, " (", source.images[0], "): ", problem), hint);
}

// Whether the channels of a case can be grey or colours, and not measurements of several kinds.
bool is_picture(const Source& source, const SourceImage& read) {
  return read.origin.kind != Kind::nifti && read.origin.kind != Kind::hdf5 && source.images.size() == 1 &&
         !read.image.paged;
}

bool is_grey(const Image& image) {
  if (image.channels() != 3) return image.channels() == 1;
  const float* v = image.values.data<float>();
  for (const float* end = v + image.values.numel(); v < end; v += 3)
    if (v[0] != v[1] || v[0] != v[2]) return false;
  return true;
}

// What all images have in common.
struct ImageSurvey {
  std::int64_t cases = 0, physical = 0, placed = 0, grey = 0, pictures = 0;
  std::map<std::int64_t, std::string> channels;  // with the first case that has so many
  double low = 0, high = 0;
  bool whole = true,
       wide = false;  // whether all values are whole numbers; whether a file had more than 32 bits a value
  Shape smallest, largest;

  void add(const Source& source, const SourceImage& read) {
    const Image& image = read.image;
    const Shape extents = image.extents();
    if (cases == 0) smallest = largest = extents;
    if (extents.dims() != smallest.dims())
      fail_source(source, text("has ", extents.dims(), " axes in space, the cases before have ", smallest.dims()),
                  "import pictures and volumes into files of their own");
    for (int axis = 0; axis < extents.dims(); ++axis) {
      smallest[axis] = std::min(smallest[axis], extents[axis]);
      largest[axis] = std::max(largest[axis], extents[axis]);
    }
    ++cases;
    physical += image.physical ? 1 : 0;
    placed += image.affine ? 1 : 0;
    grey += is_grey(image) ? 1 : 0;
    pictures += is_picture(source, read) ? 1 : 0;
    channels.emplace(image.channels(), source.id);
    wide = wide || image.element == h5::Element::f64 || image.element == h5::Element::u32 ||
           image.element == h5::Element::i32 || image.element == h5::Element::u64 || image.element == h5::Element::i64;
    const float* values = image.values.data<float>();
    for (std::int64_t i = 0; i < image.values.numel(); ++i) {
      const double value = values[i];
      low = std::min(low, value);
      high = std::max(high, value);
      whole = whole && value == std::floor(value);
    }
  }

  h5::Element element() const {
    if (whole && low >= 0 && high <= 255) return h5::Element::u8;
    if (whole && low >= -32768 && high <= 32767) return h5::Element::i16;
    return whole && low >= 0 && high <= 65535 ? h5::Element::u16 : h5::Element::f32;
  }
};

std::int64_t decide_channels(const ImageSurvey& survey, std::vector<std::string>& notes) {
  const auto& channels = survey.channels;
  const std::int64_t most = channels.rbegin()->first;
  const bool grey_or_colour = survey.pictures == survey.cases && most == 3 &&
                              (channels.size() == 1 || (channels.size() == 2 && channels.contains(1)));
  if (grey_or_colour && survey.grey == survey.cases) {
    notes.push_back("All pictures are grey, so they have one channel.");
    return 1;
  }
  if (grey_or_colour && channels.size() == 2)
    notes.push_back("Some pictures have colours, so the grey ones get three equal channels.");
  if (!grey_or_colour && channels.size() > 1)
    throw Error(ErrorKind::data,
                text("case ", channels.begin()->second, " has ", channels.begin()->first, " channels, case ",
                     channels.rbegin()->second, " has ", most),
                "all cases need the same channels");
  return most;
}

Tensor with_channels(const Tensor& image, std::int64_t channels) {
  const std::int64_t had = image.extent(-1);
  if (had == channels) return image;
  const Tensor result = empty(image.shape().with(-1, channels));
  for (std::int64_t i = 0; i < result.numel(); ++i)
    result.data<float>()[i] = image.data<float>()[i / channels * had + std::min(i % channels, had - 1)];
  return result;
}

// The unit of the spacings: millimetres if every file says so, or the caller.
bool decide_unit(const ImageSurvey& survey, const std::vector<double>& spacing, std::vector<std::string>& notes) {
  const int dims = survey.smallest.dims();
  if (!spacing.empty()) {
    if (!spacing_problem(spacing, dims).empty())
      throw Error(ErrorKind::usage,
                  text("spacing: ", dims, " positive numbers are needed, ", dims == 2 ? "y, x" : "z, y, x"),
                  text("millimetres between ", kLeastSpacing, " and ", kMostSpacing, ", none more than ", kMostRatio,
                       " times another"));
    if (survey.placed > 0)
      throw Error(ErrorKind::usage, text("spacing: ", survey.placed, " files say where their voxels lie in space"),
                  "leave the spacing out, or correct the headers");
    notes.push_back("All cases have the given spacing.");
    return true;
  }
  if (survey.physical > 0 && survey.physical < survey.cases)
    throw Error(ErrorKind::data,
                text(survey.physical, " of ", survey.cases, " files say how large their voxels are, the others do not"),
                text("use the spacing ", dims == 2 ? "Y,X" : "Z,Y,X", " in millimetres for all of them"));
  if (survey.physical == 0) notes.push_back("No file says how large its pixels are, so distances are in pixels.");
  return survey.physical > 0;
}

// A labelled case beside splits, but in none of them, would be used for nothing.
void require_splits(const std::vector<Source>& cases) {
  const auto in_none = [](const Source& one) { return one.split.empty(); };
  const std::int64_t missing = std::count_if(cases.begin(), cases.end(), in_none);
  if (missing == 0 || missing == std::ssize(cases)) return;
  const Source& first = *std::find_if(cases.begin(), cases.end(), in_none);
  throw Error(ErrorKind::data,
              text("splits: ", missing, " of ", cases.size(), " cases are in no split: case ", first.id, " (",
                   first.images[0], "); the others are in train, val or test"),
              "move them into folders train, val or test, or import them into a file of their own");
}

std::map<std::string, std::vector<std::int64_t>> decide_splits(const std::vector<Source>& cases,
                                                               std::vector<std::string>& notes) {
  std::map<std::string, std::vector<std::int64_t>> splits;
  DatasetInfo info;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    info.case_ids.push_back(cases[i].id);
    if (!cases[i].group.empty()) info.groups.push_back(cases[i].group);  // all cases have one, or none has
    if (!cases[i].split.empty()) splits[cases[i].split].push_back(static_cast<std::int64_t>(i));
  }
  if (splits.empty()) return splits;
  std::set<std::string> groups;  // of the training cases; each case is one where there are no groups
  for (const std::int64_t index : splits["train"])
    groups.insert(nth(info.groups.empty() ? info.case_ids : info.groups, index));
  if (!splits.contains("val") && groups.size() >= 2) {
    const Fold fold = make_fold(info, splits["train"], static_cast<int>(std::min<std::size_t>(groups.size(), 7)), 0, 1);
    splits["train"] = fold.train;
    splits["val"] = fold.val;
    notes.push_back(text("The source has no validation cases, so ", fold.val.size(), " of its training cases are."));
  }
  for (const char* part : {"train", "val", "test"})
    if (splits[part].empty()) {
      notes.push_back(text("The source has no cases for the split ", part, "."));
    }
  return splits;
}

std::string attribute_text(const std::vector<std::string>& notes) { return join(notes, " "); }

// Throws Error(usage) for wishes that nothing could fulfil.
void require_wishes(const ImportOptions& options, const Discovery& source) {
  NameList names;
  for (const std::string& name : options.labels.class_names)
    if (const std::string problem = names.add(name); !problem.empty())
      throw Error(ErrorKind::usage, "class names: " + problem, "give each class a name of its own");
  if (options.labels.class_names.size() == 1)
    throw Error(ErrorKind::usage, "class names: only " + options.labels.class_names[0] + " is given",
                "name two classes or more, the background first");
  const auto may_lack_axes = [](const std::string& place) {
    const std::optional<Kind> kind = kind_of_name(file_of(place));
    return kind == Kind::tiff || kind == Kind::hdf5;
  };
  if (!options.discover.axes.empty() && std::none_of(source.cases.begin(), source.cases.end(), [&](const Source& one) {
        return std::any_of(one.images.begin(), one.images.end(), may_lack_axes) ||
               std::any_of(one.labels.begin(), one.labels.end(), may_lack_axes);
      }))
    throw Error(ErrorKind::usage, "axes: \"" + options.discover.axes + "\" is given, but no file is TIFF or HDF5",
                "leave it out; the axes of other files are known");
}

class Importer {
 public:
  Importer(const std::vector<std::string>& paths, const ImportOptions& options)
      : options_(options), source_(discover(paths, options.discover)) {
    require_wishes(options, source_);
    report_.notes = source_.notes;
    report_.cases = std::ssize(source_.cases);
  }

  void require_apart(const std::string& out) const {
    for (const Source& one : source_.cases) {
      for (const std::string& place : one.images) require_other_file(out, place);
      for (const std::string& place : one.labels) require_other_file(out, place);
    }
  }

  void survey() {
    LabelSurvey labels;
    std::set<std::string> groups;
    for (const Source& one : source_.cases) {
      const SourceImage image = read_source_image(one, options_.discover.axes);
      images_.add(one, image);
      note(image.image.notes);
      if (report_.spacing.empty()) report_.spacing = image.image.spacing;
      if (options_.discover.labels) {
        const SourceLabel label = read_source_label(one, image, options_.discover.axes);
        labels.add(label, image.image.extents(), one.id);
        note(label.notes);
      }
      if (!one.group.empty()) groups.insert(one.group);
      advance();
    }
    for (const auto& [words, count] : remarks_)
      report_.notes.push_back(count == 1 ? words : text(words, " (", count - 1, " other files too)"));
    decide(labels);
    report_.groups = std::ssize(groups);
  }

  void write(const std::string& path) {
    DatasetWriter::Header header;
    header.class_names = report_.class_names;
    header.attributes = source_.attributes;
    for (const auto& [name, value] : options_.attributes) header.attributes[name] = value;
    if (report_.channels > 1 && std::ssize(source_.channel_names) == report_.channels)
      header.attributes["channels"] = join(source_.channel_names, ", ");
    header.attributes["import"] = attribute_text(report_.notes);
    header.ignore_label = decision_.ignore_label;
    header.physical = report_.physical;
    header.source_label_map = decision_.source_label_map;
    header.class_colours = decision_.class_colours;
    DatasetWriter writer(path, header);
    for (const Source& one : source_.cases) {
      writer.add(read(one), report_.element);
      advance();
    }
    writer.save(splits_);
  }

  const ImportReport& report() const { return report_; }

 private:
  // Remarks about files: the same words about many files are said once. Names and amounts stand before a colon.
  void note(const std::vector<std::string>& notes) {
    for (const std::string& one : notes) {
      const std::size_t at = one.rfind(": ");
      const std::string words = at == std::string::npos ? one : one.substr(at + 2);
      const auto known = std::find_if(remarks_.begin(), remarks_.end(),
                                      [&](const auto& remark) { return remark.first.ends_with(words); });
      if (known != remarks_.end())
        ++known->second;
      else
        remarks_.emplace_back(one, 1);
    }
  }

  void decide(const LabelSurvey& labels) {
    ImportReport& r = report_;
    r.channels = decide_channels(images_, r.notes);
    r.physical = decide_unit(images_, options_.spacing, r.notes);
    if (!options_.spacing.empty()) r.spacing = options_.spacing;
    r.element = images_.element();
    if (images_.wide && r.element == h5::Element::f32)
      r.notes.push_back("Values of 32 or 64 bits are stored as f32, which has seven digits.");
    if (images_.placed > 0 && images_.placed < images_.cases)
      r.notes.push_back(text(images_.placed, " of ", images_.cases,
                             " cases say how they lie in space and are turned "
                             "to RAS, the others stay as they are stored, which may be mirrored."));
    r.dims = images_.smallest.dims();
    if (r.dims == 3 && images_.whole && images_.low <= kAir && !options_.attributes.contains("modality") &&
        !source_.attributes.contains("modality"))
      r.notes.push_back(
          text("The volumes hold whole numbers from ", images_.low,
               " on, as CT does. If they are CT, give the modality CT: a training then takes an intensity "
               "for the same in every volume."));
    if (r.dims == 3 && r.cases == 1 && kind_of_name(source_.cases[0].images[0]) == Kind::tiff)
      r.notes.push_back(
          "There is one case alone, so none is left for validation and test: use the axes NYX if each page of it is an "
          "image of its own.");
    r.smallest = images_.smallest;
    r.largest = images_.largest;
    r.labelled = options_.discover.labels;
    if (r.labelled) {
      decision_ = decide_labels(labels, source_, options_.labels);
      r.notes.insert(r.notes.end(), decision_.notes.begin(), decision_.notes.end());
    } else {
      decision_.class_names = !options_.labels.class_names.empty() ? options_.labels.class_names : source_.class_names;
      if (decision_.class_names.size() < 2) decision_.class_names = {"background", "object"};
    }
    r.class_names = decision_.class_names;
    r.source_label_map = decision_.source_label_map;
    if (r.labelled) require_splits(source_.cases);
    splits_ = decide_splits(source_.cases, r.notes);
    for (const auto& [name, indices] : splits_) r.splits[name] = std::ssize(indices);
  }

  Case read(const Source& one) const {
    const std::string& axes = options_.discover.axes;
    SourceImage image = read_source_image(one, axes);
    Case result;
    result.id = one.id;
    result.group = one.group;
    if (options_.discover.labels) result.label = label_of(one, image);
    result.image = with_channels(image.image.values, report_.channels);
    result.spacing = options_.spacing.empty() ? image.image.spacing : options_.spacing;
    result.affine = image.image.affine;
    if (result.affine) result.orientation = orientation_of(*result.affine);
    result.origin = std::move(image.origin);
    return result;
  }

  Tensor label_of(const Source& one, const SourceImage& image) const {
    const SourceLabel label = read_source_label(one, image, options_.discover.axes);
    try {
      return classes_of(label, image.image.extents(), decision_);
    } catch (const Error& error) {  // which does not know the file
      throw Error(error.kind(), one.labels.front() + ": " + error.message(), error.hint());
    }
  }

  void advance() {
    ++done_;
    if (options_.progress) options_.progress(done_, report_.cases * (options_.dry_run ? 1 : 2));
  }

  const ImportOptions& options_;
  Discovery source_;
  ImageSurvey images_;
  LabelDecision decision_;
  ImportReport report_;
  std::map<std::string, std::vector<std::int64_t>> splits_;
  std::vector<std::pair<std::string, std::int64_t>> remarks_;  // with the number of files
  std::int64_t done_ = 0;
};

}  // namespace

ImportReport import_dataset(const std::vector<std::string>& paths, const std::string& out,
                            const ImportOptions& options) {
  if (!options.dry_run)
    for (const std::string& path : paths)
      for (const std::string& file : {path, exchange::below(path, "dataset.json")}) require_other_file(out, file);
  const KeepTiffs keep;
  Importer importer(paths, options);
  if (!options.dry_run) importer.require_apart(out);
  importer.survey();
  if (!options.dry_run) importer.write(out);
  return importer.report();
}

}  // namespace voxgrad::data
