// Files in the format safetensors: of others, models and checkpoints, and weights of other networks. Checksums are left
// out of the seeds, because a fuzzer cannot guess them.
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "nn/exchange/foreign.h"
#include "nn/inference/model.h"
#include "tests/data/formats/files.h"
#include "tests/fuzz/target.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

struct Entry {
  std::string name, type;
  std::vector<std::int64_t> shape;
};

// A file whose payload is zeros.
std::string file_of(const std::vector<Entry>& entries, const std::string& metadata) {
  std::string header = "{\"__metadata__\":" + metadata;
  std::size_t at = 0;
  for (const Entry& entry : entries) {
    std::size_t bytes = entry.type == "U8"                           ? 1
                        : entry.type == "BF16"                       ? 2
                        : entry.type == "F64" || entry.type == "I64" ? 8
                                                                     : 4;
    std::string shape;
    for (const std::int64_t extent : entry.shape) {
      bytes *= static_cast<std::size_t>(extent);
      shape += (shape.empty() ? "" : ",") + std::to_string(extent);
    }
    header += text(",\"", entry.name, "\":{\"dtype\":\"", entry.type, "\",\"shape\":[", shape, "],\"data_offsets\":[",
                   at, ",", at + bytes, "]}");
    at += bytes;
  }
  header += "}";
  std::string file;
  append(file, std::uint64_t{header.size()}, false);
  return file + header + std::string(at, '\0');
}

nn::ModelSpec small_spec() {
  nn::ModelSpec spec;
  spec.net.base = 1;
  spec.net.depth = 2;
  spec.window = {4, 4};
  spec.class_names = {"background", "cell"};
  spec.training.least_spacing = spec.training.most_spacing = {1, 1};
  spec.training.spacing_unit = "mm";
  spec.training.low = {0};
  spec.training.high = {1};
  spec.training.class_values = {0, 255};
  return spec;
}

std::vector<std::int64_t> extents_of(const Tensor& tensor) { return {tensor.shape().begin(), tensor.shape().end()}; }

}  // namespace

std::vector<std::string> voxgrad::test::seeds() {
  std::vector<std::string> found{
      file_of({}, "{}"),
      file_of({{"a", "F32", {2, 3}}, {"b", "BF16", {4}}, {"c", "U8", {3}}, {"d", "I64", {1}}, {"e", "F64", {}}},
              R"({"step":"{\"step\":3}"})")};
  const nn::ModelSpec spec = small_spec();
  std::vector<Entry> entries;
  for (const NamedTensor& tensor : nn::UNet(spec.net, Random(1)).state())
    entries.push_back({tensor.name, "F32", extents_of(tensor.tensor)});
  found.push_back(file_of(entries, "{\"model\":" + json_string(nn::to_text(spec)) + "}"));
  entries.clear();  // two levels of MONAI's BasicUNet, of one channel each
  for (const char* block : {"conv_0.conv_0", "down_1.convs.conv_0", "upcat_4.convs.conv_0"})
    entries.push_back({std::string(block) + ".conv.weight", "F32", {1, 1, 3, 3}});
  entries.push_back({"final_conv.weight", "F32", {2, 1, 1, 1}});
  found.push_back(file_of(entries, "{}"));
  return found;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  TensorFile file;
  if (!read_or_refuse([&] { file = parse_tensors(bytes, "input"); })) return 0;
  if (const auto spec = file.metadata.find("model"); spec != file.metadata.end())
    read_or_refuse([&] { nn::parse_spec(spec->second); });
  read_or_refuse([&] { nn::parse_model(bytes, "input"); });
  for (const nn::Foreign kind : {nn::Foreign::monai_basicunet, nn::Foreign::monai_dynunet, nn::Foreign::nnunet})
    read_or_refuse([&] { nn::translate(file.tensors, kind); });
  return 0;
}
