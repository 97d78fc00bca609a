#include "apps/training/checkpoint.h"

#include <filesystem>
#include <span>

#include "apps/program/fields.h"
#include "engine/error.h"
#include "engine/io/crc32.h"

namespace voxgrad::apps {

DatasetChecksums checksums_of(const data::Dataset& dataset) {
  const data::DatasetInfo& info = dataset.info();
  DatasetChecksums sums{info.images_crc32, info.labels_crc32};
  const bool known = sums.images != 0 && sums.labels != 0 && (!info.probabilities || info.probabilities_crc32 != 0);
  if (known && info.probabilities)
    sums.labels = crc32(std::as_bytes(std::span(&info.probabilities_crc32, 1)), sums.labels);
  if (known) return sums;
  sums = {};
  const auto add = [](std::uint32_t& sum, const Tensor& values) {
    sum = crc32({static_cast<const std::byte*>(values.raw()), values.bytes()}, sum);
  };
  for (std::int64_t index = 0; index < dataset.size(); ++index) {
    const data::Case one = dataset.read(index, info.probabilities);
    add(sums.images, one.image);
    add(sums.labels, one.label);
    if (info.probabilities) add(sums.labels, one.probabilities);
  }
  return sums;
}

std::string text_of(const DatasetChecksums& sums) { return text(sums.images, "/", sums.labels); }

std::uint32_t checksum_of_description(const data::DatasetInfo& info,
                                      const std::vector<std::vector<std::int64_t>>& splits) {
  std::string all;
  for (const auto* names : {&info.class_names, &info.case_ids, &info.groups}) {
    for (const std::string& name : *names) all += name + '\n';
    all += '\n';
  }
  for (const std::vector<double>& spacing : info.spacings)
    for (const double along : spacing) all += text(along, ' ');
  for (const std::vector<std::int64_t>& split : splits) {
    all += '\n';
    for (const std::int64_t index : split) all += text(index, ' ');
  }
  if (info.ignore_label >= 0) all += text("\nignore ", info.ignore_label);
  return crc32(std::as_bytes(std::span(all)), 0);
}

std::string checkpoint_file(const std::string& path) {
  namespace fs = std::filesystem;
  if (!fs::is_directory(path)) return path;
  for (const char* name : {"best.safetensors", "last.safetensors"})
    if (fs::exists(fs::path(path) / name)) return path + "/" + name;
  throw Error(ErrorKind::io, path + ": no best.safetensors and no last.safetensors in it",
              "give a run directory of `voxgrad train`, or a checkpoint file");
}

std::string model_file(const std::string& path) {
  const std::string file = checkpoint_file(path);
  if (std::filesystem::path(file).filename() != "last.safetensors") return file;
  const TensorFile last = load_tensors(file);
  if (const auto step = last.metadata.find("step"); step != last.metadata.end() && step->second == "0")
    throw Error(ErrorKind::data,
                path + ": its training ended before its first epoch did, or is in it, so its weights are random",
                "take another run, or go on with this one: voxgrad train --resume");
  return file;
}

Json metadata_json(const TensorFile& file, const std::string& key, const std::string& path) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end())
    throw Error(ErrorKind::model, path + ": no `" + key + "` in its metadata",
                "give a checkpoint or a run directory that `voxgrad train` wrote");
  try {
    return parse_json(found->second);
  } catch (const Error& error) {
    throw Error(ErrorKind::model, path + ": metadata `" + key + "`: " + error.message());
  }
}

std::vector<NamedTensor> with_prefix(const TensorFile& file, const std::string& prefix) {
  std::vector<NamedTensor> result;
  for (const NamedTensor& entry : file.tensors)
    if (entry.name.starts_with(prefix)) result.push_back({entry.name.substr(prefix.size()), entry.tensor});
  return result;
}

}  // namespace voxgrad::apps
