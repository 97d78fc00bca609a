// Reads losses.golden; convert.py beside it describes the format and writes the file.
#pragma once

#include <cstdint>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "engine/tensor.h"

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
struct Golden {
  std::map<std::string, GoldenInput> inputs;
  std::vector<GoldenCase> cases;
};

inline Golden read_golden(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) file.open("tests/golden/losses.golden", std::ios::binary);  // a build that was moved, run in the tree
  std::string line;
  check(std::getline(file, line) && line == "voxgrad golden 1", "golden: no such file, or another format: ", path);
  Golden golden;
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
  for (GoldenCase& one : golden.cases) {
    one.gradient.resize(static_cast<std::size_t>(golden.inputs.at(one.input).logits.numel()));
    read(one.gradient.data(), one.gradient.size() * sizeof(double));
  }
  check(file.good(), "golden: ", path, " is cut short");
  return golden;
}

}  // namespace voxgrad::test
