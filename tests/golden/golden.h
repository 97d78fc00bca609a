// Reads losses.golden and recent.golden; convert.py beside them describes the format.
#pragma once

#include <cstdint>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "engine/tensor.h"
#include "losses/core/loss.h"
#include "tests/test.h"

namespace voxgrad::test {

struct GoldenInput {
  Tensor logits, labels;  // f64 [N, *S, C], u8 [N, *S]
};
struct GoldenCase {
  std::string input, spec;
  double value = 0;
  std::vector<double> spacing;   // empty: 1
  std::vector<double> gradient;  // of the value with respect to the logits
};
// The loss of a case. The reference measures distances in the unit of the spacing.
inline losses::Loss golden_loss(const GoldenCase& one) {
  const losses::Loss loss = losses::make_loss(one.spec);
  const bool measures = !one.spacing.empty() && contains(loss.text(), "unit=voxel") &&
                        !one.spec.starts_with("surface_dice");  // its tolerance counts voxels there, too
  return measures ? losses::make_loss(one.spec + ",unit=mm") : loss;
}

struct Golden {
  std::map<std::string, GoldenInput> inputs;
  std::vector<GoldenCase> cases;
};

// Adds what the file has.
inline void read_golden(const std::string& stem, Golden& golden) {
  const std::string path = VOXGRAD_SOURCE_DIR "/tests/golden/" + stem;
  std::ifstream file(path, std::ios::binary);
  if (!file) file.open("tests/golden/" + stem, std::ios::binary);  // a build that was moved, run in the tree
  std::string line;
  check(std::getline(file, line) && line == "voxgrad golden 1", "golden: no such file, or another format: ", path);
  const std::size_t before = golden.cases.size();
  std::vector<std::string> names;
  while (std::getline(file, line) && line != "numbers") {
    std::istringstream words(line);
    std::string kind, name, value, spacing;
    words >> kind >> name;
    if (kind == "input") {
      Shape logits, labels;
      std::int64_t dims = 0, extent = 0;
      for (words >> dims; logits.dims() < dims && words >> extent;) logits.push_back(extent);
      for (int i = 0; i + 1 < logits.dims(); ++i) labels.push_back(logits[i]);
      golden.inputs[name] = {empty(logits, DType::f64), empty(labels, DType::u8)};
      names.push_back(name);
    } else {
      GoldenCase one;
      one.input = name;
      words >> value >> spacing >> one.spec;
      one.value = std::stod(value);
      std::istringstream axes(spacing == "-" ? "" : spacing);
      for (std::string axis; std::getline(axes, axis, '/');) one.spacing.push_back(std::stod(axis));
      golden.cases.push_back(one);
    }
  }
  const auto read = [&](void* to, std::size_t bytes) {
    file.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes));
  };
  for (const std::string& name : names) {
    read(golden.inputs[name].logits.raw(), golden.inputs[name].logits.bytes());
    read(golden.inputs[name].labels.raw(), golden.inputs[name].labels.bytes());
  }
  for (std::size_t i = before; i < golden.cases.size(); ++i) {
    GoldenCase& one = golden.cases[i];
    one.gradient.resize(static_cast<std::size_t>(golden.inputs.at(one.input).logits.numel()));
    read(one.gradient.data(), one.gradient.size() * sizeof(double));
  }
  check(file.good(), "golden: ", path, " is cut short");
}

inline Golden read_golden() {
  Golden golden;
  for (const char* name : {"losses.golden", "recent.golden"}) read_golden(name, golden);
  return golden;
}

}  // namespace voxgrad::test
